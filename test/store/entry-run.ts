import t from 'tap'
import { EntryTable } from '../../src/artifact/entry-table.js'
import { EntryRun } from '../../src/store/entry-run.js'

const name = (index: number) => `p/${String(index).padStart(5, '0')}`
const makeEntry = (path: string, digest = `etag of ${path}`) => ({
  path,
  digest,
  size: 7,
  ref: `s3://bucket/${path}`,
  extra: { etag: digest },
})
const rule = (order: number, overwrite = false) => ({
  order,
  overwrite,
  exclusive: false,
  source: 'an add',
})

function makeRun(from: number, to: number): EntryRun {
  const run = new EntryRun()
  for (let index = from; index < to; index += 1) run.push(makeEntry(name(index)))
  return run
}

t.test('a run gives back what it was given, and finds it', t => {
  const run = makeRun(0, 2500)
  t.equal(run.length, 2500)
  t.same(
    [...run.entries()],
    Array.from({ length: 2500 }, (_, index) => makeEntry(name(index))),
  )
  for (const index of [0, 999, 1000, 1999, 2000, 2499]) {
    t.same(run.find(name(index)), makeEntry(name(index)), name(index))
  }
  for (const path of ['a', 'p/00999x', 'p/01999x', 'p/02499x', 'z']) {
    t.equal(run.find(path), undefined, path)
  }
  t.equal(run.push(makeEntry(name(2499))), false, 'not after the last')
  t.equal(run.push(makeEntry('a')), false)
  t.equal(run.length, 2500)
  t.end()
})

t.test('long runs and single entries make one list, in the order of paths', t => {
  const table = new EntryTable()
  table.set(makeEntry('p/01500a'), rule(0))
  table.addRun(makeRun(0, 2000), rule(1))
  table.addRun(makeRun(2000, 2003), rule(2))
  table.addRun(makeRun(3000, 5000), rule(3))
  table.set(makeEntry(name(17)), rule(4))
  const paths = [...table.sorted()].map(({ path }) => path)
  const expected = [
    ...Array.from({ length: 2003 }, (_, index) => name(index)),
    'p/01500a',
    ...Array.from({ length: 2000 }, (_, index) => name(3000 + index)),
  ].sort()
  t.same(paths, expected)
  t.end()
})

t.test('what claims a path twice is told, or overwrites', t => {
  const table = new EntryTable()
  table.addRun(makeRun(0, 2000), rule(0))
  const other = makeEntry(name(1234), 'another')
  t.throws(() => table.set(other, { ...rule(1), source: 'a later add' }), {
    code: 'ENTRY_CONFLICT',
    message: `"${name(1234)}" comes from two sources: s3://bucket/${name(1234)} and a later add`,
  })
  const moved = { ...makeEntry(name(5)), ref: 's3://elsewhere/x' }
  t.throws(() => table.set(moved, rule(2)), { code: 'ENTRY_CONFLICT' }, 'the same ETag elsewhere')
  table.set(other, rule(3, true))
  t.same([...table.sorted()][1234], other)

  const late = new EntryTable()
  late.set(makeEntry(name(1), 'before'), rule(0))
  t.throws(() => late.addRun(makeRun(0, 2000), rule(1)), { code: 'ENTRY_CONFLICT' })
  const below = new EntryTable()
  below.addRun(makeRun(0, 2000), rule(0))
  below.set(makeEntry('p'), rule(1))
  t.throws(() => [...below.sorted()], { code: 'ENTRY_CONFLICT' }, 'a folder is no file')
  t.end()
})
