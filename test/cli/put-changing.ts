import { once } from 'node:events'
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { cliIn } from '../../fixtures/run-cli.js'
import { startNode } from '../../fixtures/run-node.js'
import { listStored } from '../../fixtures/store/list-stored.js'
import { useHome } from '../../fixtures/use-home.js'
import { scanFolder } from '../../src/store/scan-folder.js'

const { folder, home } = useHome(t)
const cli = cliIn(folder, home)
const APPENDER = fileURLToPath(new URL('../../fixtures/store/append-forever.js', import.meta.url))

/** A tree of 300 small files, in which something is wrong. */
function makeTree(t: { testdir(): string }): string {
  const tree = t.testdir()
  for (let index = 0; index < 300; index += 1) {
    const path = join(tree, `d${index % 10}`)
    mkdirSync(path, { recursive: true })
    writeFileSync(join(path, `${index}.txt`), `${index}`)
  }
  return tree
}

/** It is refused with this code, and there is nothing to see of it. */
async function isRefused(
  t: { match(found: unknown, wanted: object): void; same(found: unknown, wanted: unknown): void },
  tree: string,
  error: { code: string; details?: object },
): Promise<void> {
  t.match(await cli(['put', tree, '-n', 'p/tree', '--json']), { code: 1, stdout: '', error })
  t.same((await cli(['ls', '--json'])).json, [])
  t.same(listStored(home).writers, [])
}

t.test('a file that grows while it is read is named, and nothing is logged', async t => {
  const tree = makeTree(t)
  const file = join(tree, 'd5', 'grows')
  writeFileSync(file, Buffer.alloc(4_000_000))
  const { child, sees } = startNode([APPENDER, file])
  await sees(/appending/)
  try {
    await isRefused(t, tree, { code: 'FILE_CHANGED', details: { file } })
  } finally {
    child.kill('SIGKILL')
    await once(child, 'close')
  }
})

t.test(
  'a file that cannot be read is named, and nothing is logged',
  { skip: process.platform !== 'linux' && 'only Linux has /proc' },
  async t => {
    const tree = makeTree(t)
    const file = join(tree, 'd5', 'unreadable')
    // Even root gets an error for its first byte.
    symlinkSync('/proc/self/mem', file)
    await isRefused(t, tree, { code: 'FILE_UNREADABLE', details: { file } })
  },
)

t.test('a folder that vanishes during the walk is named', async t => {
  const root = makeTree(t)
  const request = { root, home, rules: undefined, refuseLinks: false, digestBytes: 16 }
  const { folders } = scanFolder({ ...request, folder: '', ancestors: [root] })
  t.same(
    folders.map(({ name }) => name),
    Array.from({ length: 10 }, (_, index) => `d${index}`),
  )
  rmSync(join(root, 'd7'), { recursive: true })
  const [, , , , , , , vanished] = folders
  t.throws(() => scanFolder({ ...request, folder: 'd7', ancestors: [root, vanished!.real] }), {
    code: 'FILE_NOT_FOUND',
    details: { file: join(root, 'd7') },
  })
})
