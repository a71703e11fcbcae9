/** The history in memory keeps the contract, by a clock that is turned where time counts. */
import { historyContract } from './history-contract.js'
import { openMemoryHistory } from './opened-history.js'

historyContract('memory', openMemoryHistory)
