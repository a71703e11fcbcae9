/** The hub's tests and the gateway's have the same chance. */
export { SeededRandom } from '../../hub/tests/seeded-random.js'
