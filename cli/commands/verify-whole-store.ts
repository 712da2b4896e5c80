import { ERRORS } from '../../src/errors.js'
import { verifyStore } from '../../src/store/verify-store.js'
import { type Context, openContext, type Result } from '../context.js'
import { count, formatBytes } from '../format.js'

export async function verifyWholeStore(
  { restart }: { restart?: boolean },
  context: Context,
): Promise<Result> {
  const { store } = openContext(context, { hostPlace: 'thread' })
  const { signal, onProgress } = context
  const began = Date.now()
  let bytesBefore: number | undefined
  const found = await verifyStore(store, {
    restart,
    signal,
    onProgress: progress => {
      bytesBefore ??= progress.bytes
      onProgress(progress)
    },
  })
  const seconds = (Date.now() - began) / 1000
  const { startedAt, files, records, bytes, journalRecords, versions, problems } = found
  const result = { startedAt, files, records, bytes, journalRecords, versions, problems }
  const isResumed = Date.parse(startedAt) < began
  const bytesPerSecond = Math.round((bytes - (isResumed ? (bytesBefore ?? 0) : 0)) / seconds)
  const lines = problems.map(({ problem, what, message }) => `${problem}  ${what}  (${message})`)
  const whole =
    `${count(files, 'file')}, ${count(records, 'blob')}, ${formatBytes(bytes)}, ` +
    `${count(journalRecords, 'journal record')}, ${count(versions, 'version')}`
  const since = isResumed ? `, with what was hashed since ${startedAt}` : ''
  lines.push(
    `${whole}: ${problems.length === 0 ? 'verified' : count(problems.length, 'problem')} ` +
      `in ${seconds.toFixed(1)} s, ${formatBytes(bytesPerSecond)}/s${since}`,
  )
  if (problems.length > 0) {
    lines.push('Nothing was changed. `artifact repair` moves damage aside and fetches what it can.')
  }
  return {
    data: { ...result, seconds, bytesPerSecond, resumed: isResumed },
    text: lines.join('\n'),
    exitCode: problems.length === 0 ? 0 : ERRORS.VERIFY_DIFFERS.exit,
  }
}
