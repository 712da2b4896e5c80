import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

/** Imports run downwards only: a folder may use itself and what stands on an earlier line. */
const LAYERS = [
  ['src/errors'],
  ['src/model'],
  ['src/disk'],
  ['src/ipc', 'src/net'],
  ['src/hash', 'src/pack', 'src/chunk'],
  ['src/blobs', 'src/catalog'],
  ['src/store'],
  ['src/references', 'src/remote'],
  ['src/sync', 'src/table'],
  ['src/artifact'],
  ['src/run'],
  ['src/index'],
  ['daemon', 'server'],
  ['cli'],
]

const root = join(dirname(fileURLToPath(import.meta.url)), '../../..')

/** `src/store/x.ts` → `src/store`, `src/errors.ts` → `src/errors`, `cli/commands/x.ts` → `cli`. */
function unitOf(path: string): string {
  const [top, second] = path.replace(/\.[jt]s$/, '').split('/')
  return top === 'src' ? `src/${second}` : top!
}

function imports(file: string): string[] {
  const text = readFileSync(join(root, file), 'utf8')
  const found = text.matchAll(/(?:from|import\(|new URL\()\s*'(\.{1,2}\/[^']+)'/g)
  return [...found].map(match => relative(root, join(root, dirname(file), match[1]!)))
}

const files = ['src', 'daemon', 'server', 'cli'].flatMap(folder =>
  readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.ts'))
    .map(name => `${folder}/${name}`),
)
const rank = new Map(LAYERS.flatMap((units, index) => units.map(unit => [unit, index] as const)))

t.test('every folder has its place in the table', t => {
  t.same(
    [...new Set(files.map(unitOf))].filter(unit => !rank.has(unit)),
    [],
  )
  t.ok(files.length > 50)
  t.end()
})

t.test('imports run downwards only', t => {
  const upward = files.flatMap(file =>
    imports(file)
      .filter(target => !target.endsWith('package.json'))
      .filter(target => unitOf(target) !== unitOf(file))
      .filter(target => !(rank.get(unitOf(target))! < rank.get(unitOf(file))!))
      .map(target => `${file} imports ${target}`),
  )
  t.same(upward, [])
  t.end()
})

t.test('files carry one idea: none is longer than 400 lines', t => {
  const long = files.filter(file => readFileSync(join(root, file), 'utf8').split('\n').length > 400)
  t.same(long, [])
  t.end()
})
