/** The history over JetStream keeps the contract, and lives through what a server may do. */
import { historyContract } from './history-contract.js'
import { openJetStreamHistory, testLayout } from './opened-history.js'

historyContract('JetStream', openJetStreamHistory)
historyContract(
  'JetStream in memory',
  (scope) => openJetStreamHistory(scope, testLayout('memory')),
  false,
)
