import t from 'tap'
import { describeProgress, describeSent, formatSeconds } from '../../cli/describe-progress.js'

const still = {
  bytesTotal: 0,
  bytesSent: 0,
  bytesSkipped: 0,
  retries: 0,
  lastError: null,
  active: false,
  bytesPerSecond: 0,
  etaSeconds: null,
}

t.test('how a version fares, in a line', async t => {
  t.equal(describeProgress(still), '')
  const moving = { bytesTotal: 4096, bytesSent: 1024, bytesSkipped: 2048, active: true }
  t.equal(
    describeProgress({ ...still, ...moving, bytesPerSecond: 512, etaSeconds: 6 }),
    '1 KiB of 4 KiB sent, 2 KiB there already, 512 B/s, 6 s left',
  )
  const lastError = { code: 'REMOTE_UNREACHABLE' as const, message: 'it is away' }
  t.equal(describeProgress({ ...still, retries: 1, lastError }), '1 retry: it is away')
  t.equal(describeProgress({ ...still, retries: 1200, lastError }), '1,200 retries: it is away')
})

t.test('what a synced version took', async t => {
  t.equal(describeSent({}), '')
  t.equal(describeSent({ bytesSent: 1024, bytesSkipped: 0 }), '  1 KiB sent, 0 B there already')
  t.match(describeSent({ bytesSent: 1, bytesSkipped: 0, retries: 2 }), /2 repeated calls$/)
})

t.test('times', async t => {
  t.equal(formatSeconds(99), '99 s')
  t.equal(formatSeconds(180), '3 min')
  t.equal(formatSeconds(7500), '2 h 5 min')
})
