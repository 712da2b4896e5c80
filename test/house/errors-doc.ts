import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { ERRORS } from '../../src/errors.js'

const root = join(dirname(fileURLToPath(import.meta.url)), '../../..')
const text = readFileSync(join(root, 'docs/errors.md'), 'utf8')
const rows = text
  .split('\n')
  .filter(line => line.startsWith('| `'))
  .map(line => line.slice(2, -2).split(/(?<!\\)\|/))
  .map(cells => cells.map(cell => cell.trim().replaceAll('\\|', '|')))

t.test('docs/errors.md has a row for each code, in the order of the table', async t => {
  const documented = rows.map(([code, http, retryable, exit, , hint]) => [
    code?.replaceAll('`', ''),
    { http: Number(http), retryable: retryable === 'yes', exit: Number(exit), hint },
  ])
  t.same(documented, Object.entries(ERRORS))
  for (const [code, , , , meaning] of rows) t.match(meaning, /^\S.*\.$/, code ?? '')
})

t.test('every code is raised somewhere', async t => {
  const source = ['src', 'cli', 'daemon', 'server'].flatMap(folder =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter(name => name.endsWith('.ts') && name !== 'errors.ts')
      .map(name => readFileSync(join(root, folder, name), 'utf8')),
  )
  const raised = Object.keys(ERRORS).filter(code =>
    source.some(file => new RegExp(`['.]${code}\\b`).test(file)),
  )
  const helpers = readFileSync(join(root, 'src/errors.ts'), 'utf8')
  const inHelpers = Object.keys(ERRORS).filter(code => helpers.includes(`'${code}'`))
  t.same(
    Object.keys(ERRORS).filter(code => !raised.includes(code) && !inHelpers.includes(code)),
    [],
  )
})
