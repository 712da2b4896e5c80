import t from 'tap'
import { countValues } from '../../server/count-values.js'

t.test('values are counted, and what stands in strings is not', async t => {
  const count = (text: string) => countValues(Buffer.from(text))
  t.equal(count('1'), 1)
  t.equal(count('{"a,[{": "x\\",[{", "b": [1, 2, 3]}'), 6)
  t.equal(count('[[[]]]'), 4)
  t.equal(count('"\\\\", [,'), 4, 'a backslash before a quote may be a character of its own')
  t.equal(count('"never, [ends'), 1)
  t.equal(count('"\\'), 1)
  t.equal(count(''), 1)
})
