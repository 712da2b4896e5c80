import t from 'tap'
import { createHasher } from '../../src/hash/hasher.js'
import { compareUtf8 } from '../../src/model/artifact-path.js'
import { ALGORITHMS, type Algorithm } from '../../src/model/digest.js'
import { joinNames } from '../../src/model/file-run.js'
import { type FolderNode, listEntries, listRuns } from '../../src/store/folder-tree.js'
import { ManifestWriter } from '../../src/store/manifest-writer.js'

/** Names that JSON writes as they are, of every length of UTF-8. */
const PLAIN = ['a b', "'", 'é', '\u007f', '\u2028', '\uffff', '😀']
/** Names that it writes in its own way. */
const ODD = ['"quoted"', '\\', '\u0001', '\t']

function makeNode(count: number, algorithm: Algorithm, special: string[]): FolderNode {
  const { bytes } = ALGORITHMS[algorithm]
  const names = Array.from({ length: count }, (_, index) => String(index).padStart(5, '0'))
  names.push(...special.map(name => `z${name}`).sort(compareUtf8))
  const digests = new Uint8Array(names.length * bytes)
  for (let at = 0; at < digests.length; at += 1) digests[at] = (at * 2654435761) >>> 13
  const sizes = Float64Array.from(names, (_, index) => Math.floor(index ** 4.5))
  sizes[0] = 0
  sizes[1] = Number.MAX_SAFE_INTEGER
  return { files: { names: joinNames(names), sizes, digests }, folders: [] }
}

/** The pieces of a manifest, in order, and what else it says. */
async function write(
  algorithm: Algorithm,
  add: (writer: ManifestWriter) => Promise<void>,
): Promise<unknown> {
  const pieces: string[] = []
  const addBytes = async (_kind: string, parts: Uint8Array[]) => {
    for (const part of parts) pieces.push(Buffer.from(part).toString('utf8'))
    return parts.map(() => ({ digest: `${algorithm}:` as const, isNew: true }))
  }
  const hasher = await createHasher(algorithm)
  hasher.init()
  const writer = new ManifestWriter({ addBytes }, hasher)
  await add(writer)
  return { pieces, manifest: await writer.end() }
}

for (const algorithm of Object.keys(ALGORITHMS) as Algorithm[]) {
  t.test(`the manifest of a tree with ${algorithm} is that of its entries`, async t => {
    const node = makeNode(3000, algorithm, [...ODD, ...PLAIN])
    const below = makeNode(3000, algorithm, PLAIN)
    below.folders.push({ name: '00700-b', node: makeNode(10, algorithm, []) })
    // Both come in the middle of the files of this folder.
    node.folders.push({ name: '00005"', node: makeNode(1200, algorithm, PLAIN) })
    node.folders.push({ name: '00005-é', node: below })
    for (const prefix of ['', 'to/', 'to "x"/é/']) {
      const entries = [...listEntries(node, prefix, algorithm)]
      t.equal(entries.length, 7210 + ODD.length + 3 * PLAIN.length)
      const expected = await write(algorithm, async writer => {
        for (const entry of entries) writer.add(entry)
      })
      const runs = await write(algorithm, async writer => {
        for (const run of listRuns(node, prefix)) await writer.addRun(run)
      })
      t.same(runs, expected, prefix)
    }
  })
}

t.test('what was stored of a manifest takes no memory any more', async t => {
  const given: Uint8Array[] = []
  const addBytes = async (_kind: string, parts: Uint8Array[]) => {
    given.push(...parts)
    return parts.map(() => ({ digest: 'xxh128:' as const, isNew: true }))
  }
  const hasher = await createHasher('xxh128')
  hasher.init()
  const writer = new ManifestWriter({ addBytes }, hasher)
  await writer.addRun({ prefix: 'a/', ...makeNode(3000, 'xxh128', []).files })
  const { pieces } = await writer.end()
  t.ok(given.length > 1)
  t.same(
    given.map(part => part.length),
    given.map(() => 0),
  )
  t.ok(pieces.every(({ size }) => size > 0))
})

t.test('a path that no artifact can hold is refused', async t => {
  const refused = { code: 'INVALID_PATH' }
  const writeNode = (node: FolderNode, prefix: string) =>
    write('xxh128', async writer => {
      for (const run of listRuns(node, prefix)) await writer.addRun(run)
    })
  const node = makeNode(2, 'xxh128', [])
  await t.rejects(writeNode(node, '../'), refused)
  await t.rejects(writeNode(node, 'C:/'), refused)
  await t.rejects(writeNode(node, `${'long/'.repeat(819)}`), refused)
  const drive = { ...node.files, names: joinNames(['C:', 'D']) }
  await t.rejects(writeNode({ files: drive, folders: [] }, ''), refused)
  await t.resolves(writeNode({ files: drive, folders: [] }, 'x/'))
})

t.test('a folder that does not come after what was added is refused', async t => {
  const run = { prefix: 'b/', ...makeNode(2, 'xxh128', []).files }
  const failed = write('xxh128', async writer => {
    await writer.addRun(run)
    await writer.addRun({ ...run, prefix: 'a/' })
  })
  await t.rejects(failed, { code: 'PIECE_INVALID' })
})
