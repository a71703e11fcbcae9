/** The clock that tests turn by hand: the hub's, which is the gateway's too. */
export { FakeClock } from '../../hub/tests/fake-clock.js'
