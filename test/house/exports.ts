import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import * as library from '../../src/index.js'

/** What users may import. A change here is a change for them: it belongs into the CHANGELOG. */
const VALUES = ['Artifact', 'ArtifactError', 'PartitionedTable', 'Table', 'init', 'isArtifactError']
const TYPES = [
  'AddDirOptions',
  'AddFileOptions',
  'AddOptions',
  'AddReferenceOptions',
  'Algorithm',
  'ArtifactObject',
  'ArtifactOptions',
  'Cell',
  'Change',
  'CheckoutOptions',
  'ColumnKind',
  'CsvTableOptions',
  'Digest',
  'DownloadOptions',
  'Entry',
  'ErrorCode',
  'FileTableOptions',
  'FinishArtifactOptions',
  'FinishOptions',
  'InitOptions',
  'LogMode',
  'LogOptions',
  'LoggedArtifact',
  'MissingReference',
  'NewFileOptions',
  'Policy',
  'Progress',
  'Resolution',
  'Run',
  'RunInfo',
  'SaveOptions',
  'TableOptions',
  'TablePart',
  'UpsertOptions',
  'ValueType',
  'VerifyProblem',
  'VerifyResult',
  'VersionState',
  'WaitOptions',
  'WorkOptions',
]

const root = join(dirname(fileURLToPath(import.meta.url)), '../../..')

t.test('the library exports these values', async t => {
  t.same(Object.keys(library).sort(), VALUES)
})

t.test('and these types', async t => {
  const text = readFileSync(join(root, 'src/index.ts'), 'utf8')
  const types = [...text.matchAll(/export (type )?\{([^}]*)\}/g)].flatMap(([, all, list = '']) =>
    list
      .split(',')
      .map(name => name.trim())
      .filter(name => name !== '' && (all || name.startsWith('type ')))
      .map(name => name.replace(/^type /, '')),
  )
  t.same(types.sort(), TYPES)
})
