import { createHash } from 'node:crypto'
import t from 'tap'
import { Claims } from '../../src/store/claims.js'
import { DigestSet } from '../../src/store/digest-set.js'

const digestOf = (index: number) => createHash('md5').update(String(index)).digest()

t.test('a set tells digests apart by all of their bytes', async t => {
  const set = new DigestSet(16)
  const count = 20_000
  const all = Buffer.concat(Array.from({ length: count }, (_, index) => digestOf(index)))
  for (let index = 0; index < count; index += 2) set.add(all, index * 16)
  t.equal(set.size, count / 2)
  t.notOk(set.add(all, 0), 'one that is there')
  const found = Array.from({ length: count }, (_, index) => set.has(all, index * 16))
  t.ok(found.every((isThere, index) => isThere === (index % 2 === 0)))
  const near = Buffer.from(digestOf(0))
  near[15]! ^= 1
  t.notOk(set.has(near, 0))
  t.ok(set.add(near, 0))
  t.ok(set.has(all, 0) && set.has(near, 0))
})

t.test('claims are kept until what they stand for can be located, and some longer', async t => {
  const [one, two] = [{}, {}]
  const claims = new Claims<object>('md5', { most: 2 })
  const has = (index: number) => claims.has('blob', digestOf(index), 0)
  const claim = (writer: object, index: number) => claims.add(writer, 'blob', digestOf(index), 0)

  claim(one, 0)
  claim(two, 1)
  t.ok(has(0) && has(1))
  t.notOk(claims.has('piece', digestOf(0), 0), 'a piece is not the file with its bytes')
  t.same([claims.count(one), claims.count(two)], [1, 1])

  claims.release(one, 1)
  claims.forget()
  t.ok(has(0) && has(1), 'the other claim of the generation is open')
  t.notOk(claims.forgot)

  for (const index of [2, 3, 4]) claim(one, index)
  t.equal(claims.count(one), 3)
  claims.release(two, 1)
  claims.release(one, 1)
  claim(one, 5)
  claim(one, 6)
  t.notOk(has(0) || has(1), 'there is no room for them')
  t.ok(claims.forgot)
  t.ok([2, 3, 4, 5, 6].every(has), 'what is open is never forgotten')

  claims.release(one, 4)
  claims.forget()
  t.notOk([2, 3, 4, 5, 6].some(has))
  t.equal(claims.count(one), 0)
})
