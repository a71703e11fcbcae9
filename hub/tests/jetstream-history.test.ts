/** The history over JetStream keeps the contract, and lives through what a server may do. */
import { historyContract } from './history-contract.js'
import { openJetStreamHistory, testLayout } from './opened-history.js'

historyContract('JetStream', (scope) => openJetStreamHistory(scope))
historyContract(
  'JetStream in memory',
  (scope) => openJetStreamHistory(scope, { layout: testLayout('memory') }),
  false,
)
