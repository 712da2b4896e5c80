import t from 'tap'
import { parseRetryAfter } from '../../src/net/parse-retry-after.js'

t.test('seconds, dates, and what is neither', async t => {
  t.equal(parseRetryAfter('3'), 3000)
  t.equal(parseRetryAfter('0'), 0)
  const date = 'Tue, 01 Jan 2019 00:00:00 GMT'
  t.equal(parseRetryAfter('Tue, 01 Jan 2019 00:01:30 GMT', date), 90_000)
  t.equal(parseRetryAfter('Mon, 31 Dec 2018 23:00:00 GMT', date), 0, 'it is over')
  t.equal(parseRetryAfter('Tue, 01 Jan 2019 00:01:30 GMT'), 0, 'by the clock here')
  const soon = parseRetryAfter(new Date(Date.now() + 60_000).toUTCString())
  t.ok(soon && soon > 0 && soon <= 60_000)
  for (const text of [undefined, '', 'soon', '-1', '1.5']) t.equal(parseRetryAfter(text), undefined)
})
