import t from 'tap'
import { parseBytes } from '../../src/model/parse-bytes.js'

t.test('bytes with and without units', async t => {
  t.equal(parseBytes('10MB'), 10_000_000)
  t.equal(parseBytes('10m'), 10_000_000)
  t.equal(parseBytes('1.5 KiB'), 1536)
  t.equal(parseBytes('2TiB'), 2 * 1024 ** 4)
  t.equal(parseBytes('7'), 7)
  t.equal(parseBytes('7B'), 7)
  for (const text of ['', 'MB', '-1MB', '1iB', '1e3', '10XB', '1 2']) {
    t.equal(parseBytes(text), undefined, text)
  }
})
