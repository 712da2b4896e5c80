import { fileURLToPath } from 'node:url'
import t from 'tap'
import { runNode } from '../../fixtures/run-node.js'

/** A module resolver to which no package that users install themselves is installed. */
const HOOKS = `export function resolve(specifier, context, next) {
  if (/^(@aws-sdk\\/|@google-cloud\\/|hyparquet$)/.test(specifier)) {
    throw Object.assign(new Error('not found: ' + specifier), { code: 'ERR_MODULE_NOT_FOUND' })
  }
  return next(specifier, context)
}`

const index = fileURLToPath(new URL('../../src/index.js', import.meta.url))

t.test('without the client of a cloud the error names the package to install', async t => {
  const home = t.testdir()
  for (const [uri, packageName] of [
    ['s3://bucket/key', '@aws-sdk/client-s3'],
    ['gs://bucket/key', '@google-cloud/storage'],
  ]) {
    const script = `
      import { register } from 'node:module'
      register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(HOOKS)}))
      const { Artifact } = await import(${JSON.stringify(index)})
      const artifact = new Artifact({ name: 'a', type: 'dataset', home: ${JSON.stringify(home)} })
      await artifact.newFile('works-all-the-same.txt')
      await artifact.addReference('${uri}').catch(({ code, message }) => console.log(code, message))
    `
    const { stdout } = await runNode(['--input-type=module', '--eval', script], {})
    t.match(stdout, /^PACKAGE_MISSING /)
    t.ok(stdout.includes(`npm i ${packageName}`), stdout)
  }
})

t.test('so it is without the reader of Parquet', async t => {
  const script = `
    import { register } from 'node:module'
    register('data:text/javascript,' + encodeURIComponent(${JSON.stringify(HOOKS)}))
    const { Table } = await import(${JSON.stringify(index)})
    await Table.fromParquet('rows.parquet').catch(({ code, message }) => console.log(code, message))
  `
  const { stdout } = await runNode(['--input-type=module', '--eval', script], {})
  t.match(stdout, /^PACKAGE_MISSING .*npm i hyparquet/)
})
