/** Loaded into both servers before their own code: collects garbage when the benchmark asks. */
import { answerCalls } from './remote.js'

export interface ServerCalls {
  /** Collects everything twice: the first pass runs finalizers whose objects the second frees. */
  collect(): HeapUse
}

export interface HeapUse {
  readonly heapUsedBytes: number
  readonly heapTotalBytes: number
  readonly externalBytes: number
}

answerCalls<ServerCalls>({
  collect: () => {
    globalThis.gc?.()
    globalThis.gc?.()
    const { heapUsed, heapTotal, external } = process.memoryUsage()
    return { heapUsedBytes: heapUsed, heapTotalBytes: heapTotal, externalBytes: external }
  },
})

// The channel to the benchmark must not keep a server alive that wants to leave.
process.channel?.unref()
