import type { IncomingMessage } from 'node:http'
import { Readable } from 'node:stream'
import { finished } from 'node:stream/promises'
import type { FastifyInstance } from 'fastify'

/** As the `lingering_time` of nginx. */
const LINGER_MS = 30_000

/**
 * Answers that come before the whole request was read are sent whole, and what is still on its way is
 * read and dropped, for up to `lingerMs`; then the connection is cut. A connection closed with bytes
 * unread is reset, and its client, still writing, would get `EPIPE` in place of the answer.
 */
export function lingerAfterAnswers(app: FastifyInstance, lingerMs = LINGER_MS): void {
  app.addHook('onSend', async ({ raw }, reply, payload) => {
    const isWhole = typeof payload === 'string' || Buffer.isBuffer(payload)
    if (raw.complete || !isWhole) return payload
    const answer = Buffer.from(payload)
    reply.header('content-length', answer.length)
    return Readable.from(answerAndRead(answer, raw, lingerMs), { objectMode: false })
  })
}

/** Node closes the connection once this has ended, and not when the last byte of the answer is out. */
async function* answerAndRead(answer: Buffer, request: IncomingMessage, lingerMs: number) {
  yield answer
  // A reader that has not let go of it yet stops it once more when it does, unless somebody listens.
  request.on('data', () => {}).resume()
  try {
    await finished(request, { signal: AbortSignal.timeout(lingerMs) })
  } catch {
    request.destroy()
  }
}
