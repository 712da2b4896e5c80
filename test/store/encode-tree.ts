import t from 'tap'
import { ALGORITHMS, type Algorithm } from '../../src/model/digest.js'
import { encodeManifestLine } from '../../src/model/manifest-line.js'
import { encodeTree, type FolderNode, listEntries } from '../../src/store/folder-tree.js'

/** Names of every kind that JSON writes in its own way, and of every length of UTF-8. */
const NAMES = ['"quoted"', '\\', '\u0001', 'a b', 'é', '\u2028', '\uffff', '😀']

function makeNode(count: number, algorithm: Algorithm): FolderNode {
  const { bytes } = ALGORITHMS[algorithm]
  const names = Array.from({ length: count }, (_, index) => String(index).padStart(5, '0'))
  names.push(...NAMES.map(name => `z${name}`))
  const digests = new Uint8Array(names.length * bytes)
  for (let at = 0; at < digests.length; at += 1) digests[at] = (at * 2654435761) >>> 13
  const sizes = Float64Array.from(names, (_, index) => index * 1e10)
  return { files: { names: names.join('/'), sizes, digests }, folders: [] }
}

for (const algorithm of Object.keys(ALGORITHMS) as Algorithm[]) {
  t.test(`a tree with ${algorithm} is encoded as its entries are`, async t => {
    const node = makeNode(3000, algorithm)
    node.folders.push({ name: '00005"-é', node: makeNode(10, algorithm) })
    const expected = [...listEntries(node, 'to/', algorithm)].map(encodeManifestLine)
    t.equal(expected.length, 3010 + 2 * NAMES.length)
    t.same([...encodeTree(node, 'to/', algorithm)], expected)
  })
}

t.test('a path that no artifact can hold is refused', async t => {
  const node = makeNode(0, 'xxh128')
  t.throws(() => [...encodeTree(node, '../', 'xxh128')], { code: 'INVALID_PATH' })
})
