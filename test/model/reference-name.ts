import t from 'tap'
import {
  formatVersionName,
  parseArtifactName,
  parseCollectionName,
} from '../../src/model/reference-name.js'

const DEFAULTS = { entity: 'default', project: 'uncategorized' }
const ID = '0123456789abcdef0123456789abcdef'
const LATEST = { kind: 'alias', alias: 'latest' }

const GOOD: [string, string, object][] = [
  ['cats', 'default/uncategorized/cats', LATEST],
  ['p/cats', 'default/p/cats', LATEST],
  ['team/p/cats', 'team/p/cats', LATEST],
  ['cats:best', 'default/uncategorized/cats', { kind: 'alias', alias: 'best' }],
  ['cats:a@b c', 'default/uncategorized/cats', { kind: 'alias', alias: 'a@b c' }],
  ['p/cats:v0', 'default/p/cats', { kind: 'number', number: 0 }],
  ['p/cats:v12', 'default/p/cats', { kind: 'number', number: 12 }],
  ['p/cats:v', 'default/p/cats', { kind: 'alias', alias: 'v' }],
  ['team/p/cats@01234567', 'team/p/cats', { kind: 'id', id: '01234567' }],
  [`cats@${ID}`, 'default/uncategorized/cats', { kind: 'id', id: ID }],
  ['a@b/cats@01234567', 'default/a@b/cats', { kind: 'id', id: '01234567' }],
  ['a@b/cats', 'default/a@b/cats', LATEST],
]

const BAD: [string, string][] = [
  ['', 'INVALID_REFERENCE'],
  ['/', 'INVALID_REFERENCE'],
  ['/cats', 'INVALID_REFERENCE'],
  ['p//cats', 'INVALID_REFERENCE'],
  ['p/', 'INVALID_REFERENCE'],
  ['a/b/c/cats', 'INVALID_REFERENCE'],
  ['cats:', 'INVALID_REFERENCE'],
  ['cats@', 'INVALID_REFERENCE'],
  ['cats@0123456', 'INVALID_REFERENCE'],
  ['cats@0123456X', 'INVALID_REFERENCE'],
  ['cats@0123456A', 'INVALID_REFERENCE'],
  [`cats@${ID}0`, 'INVALID_REFERENCE'],
  ['cats@01234567:best', 'INVALID_REFERENCE'],
  ['cats:v01', 'INVALID_REFERENCE'],
  ['cats:v99999999999999999999', 'INVALID_REFERENCE'],
  ['cats:a/b', 'INVALID_ALIAS'],
  ['cats:a:b', 'INVALID_ALIAS'],
  ['ca ts', 'INVALID_NAME'],
  ['..', 'INVALID_NAME'],
  ['p%/cats', 'INVALID_NAME'],
  ['e#/p/cats', 'INVALID_NAME'],
]

t.test('names of artifacts', async t => {
  for (const [text, where, selector] of GOOD) {
    const parsed = parseArtifactName(text, DEFAULTS)
    t.equal(`${parsed.entity}/${parsed.project}/${parsed.name}`, where, text)
    t.same(parsed.selector, selector, text)
  }
  for (const [text, code] of BAD) {
    t.throws(() => parseArtifactName(text, DEFAULTS), { code }, JSON.stringify(text))
  }
  t.throws(() => parseArtifactName(3 as unknown as string, DEFAULTS), TypeError)
  t.throws(() => parseArtifactName('cats', { ...DEFAULTS, project: 'a/b' }), {
    code: 'INVALID_NAME',
  })
})

t.test('names of collections name no version', async t => {
  t.same(parseCollectionName('p/cats', DEFAULTS), { entity: 'default', project: 'p', name: 'cats' })
  for (const text of ['cats:cats', 'cats:latest', 'cats:v3', 'cats@01234567', 'cats:', 'cats@']) {
    t.throws(() => parseCollectionName(text, DEFAULTS), { code: 'INVALID_REFERENCE' }, text)
  }
})

t.test('a version is shown as it is asked for', async t => {
  const shown = formatVersionName({ id: 'e'.repeat(32), project: 'p', name: 'cats', number: 3 })
  t.equal(shown, 'p/cats:v3')
  t.match(parseArtifactName(shown, DEFAULTS), { project: 'p', name: 'cats' })
})
