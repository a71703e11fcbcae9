import { brokerContract } from './broker-contract.js'
import { openNatsBroker } from './opened-broker.js'

brokerContract('NATS', openNatsBroker)
