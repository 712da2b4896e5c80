import t from 'tap'
import { measureJson } from '../../server/measure-json.js'

const measure = (text: string) => {
  const { values, depth } = measureJson(Buffer.from(text))
  return [values, depth]
}

t.test('values are counted, and what stands in strings is not', async t => {
  t.same(measure('1'), [1, 0])
  t.same(measure('{"a,[{": "x\\",[{", "b": [1, 2, 3]}'), [6, 2])
  t.same(measure('[[[]]]'), [4, 3])
  t.same(measure('[[],[[]],{}]'), [8, 3])
  t.same(measure('"\\\\", [,'), [4, 1], 'a backslash before a quote may be a character of its own')
  t.same(measure('"never, [ends'), [1, 0])
  t.same(measure('"\\'), [1, 0])
  t.same(measure(''), [1, 0])
  t.same(measure(']]]][['), [3, 0])
})
