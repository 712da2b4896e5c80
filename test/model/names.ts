import t from 'tap'
import {
  checkAlias,
  checkEntity,
  checkId,
  checkName,
  checkProject,
  checkTag,
  checkTags,
  checkType,
  checkUserAliases,
  DEFAULT_ENTITY,
  DEFAULT_PROJECT,
  DEFAULT_TYPE,
} from '../../src/model/names.js'

const LONG = 'x'.repeat(128)
const EMOJIS = '\u{1f600}'.repeat(128)

const RULES = [
  {
    what: 'names',
    check: checkName,
    code: 'INVALID_NAME',
    good: ['a', 'A-b_c.9', '...', '.hidden', LONG],
    bad: ['', '.', '..', 'a b', 'a/b', 'a:b', 'a@b', 'é', 'a\n', `${LONG}x`],
  },
  {
    what: 'types',
    check: (type: unknown) => checkType(type),
    code: 'INVALID_TYPE',
    good: ['dataset', 'model v2', 'é', 'wandb', 'jobs', 'run_table', 'code', LONG, EMOJIS],
    bad: ['', 'a/b', 'a:b', 'a\nb', 'a\u0085', 'job', 'wandb-x', '\ud800', `${LONG}x`],
  },
  {
    what: 'aliases',
    check: checkAlias,
    code: 'INVALID_ALIAS',
    good: ['latest', 'best model', 'a@b', 'v3', LONG, EMOJIS],
    bad: ['', 'a/b', 'a:b', 'a\n', '\udc00', `${LONG}x`, `${EMOJIS}x`],
  },
  {
    what: 'tags',
    check: checkTag,
    code: 'INVALID_TAG',
    good: ['a', 'two words', 'a  b', '-_-', 'été', '猫', LONG],
    bad: ['', ' a', 'a ', 'a.b', 'a\tb', 'a\n', '\u{1f600}', `${LONG}x`],
  },
  {
    what: 'projects',
    check: checkProject,
    code: 'INVALID_NAME',
    good: ['p', 'my project', 'a@b', '...', 'wandb-registry-model', LONG],
    bad: ['', '.', '..', 'a/b', 'a\\b', 'a#', 'a?', 'a%', 'a:', 'a\r', 'a\n', 'a\t', `${LONG}x`],
  },
  {
    what: 'entities',
    check: checkEntity,
    code: 'INVALID_NAME',
    good: ['team'],
    bad: ['', 'a/b', '..'],
  },
  {
    what: 'ids',
    check: checkId,
    code: 'INVALID_REFERENCE',
    good: ['0123456789abcdef0123456789abcdef'],
    bad: ['', '0123', '0123456789ABCDEF0123456789ABCDEF', '0123456789abcdef0123456789abcdef0'],
  },
]

for (const { what, check, code, good, bad } of RULES) {
  t.test(`${what} keep their rule`, async t => {
    for (const value of good) t.equal(check(value), value)
    for (const value of bad) t.throws(() => check(value), { code }, JSON.stringify(value))
    for (const value of [undefined, null, 3, {}, ['a']]) t.throws(() => check(value), TypeError)
  })
}

t.test('types that W&B reserves for the names of its own artifacts', async t => {
  t.throws(() => checkType('run_table', 'run-1-t'), { code: 'INVALID_TYPE' })
  t.throws(() => checkType('code', 'source-p-main.py'), { code: 'INVALID_TYPE' })
  t.equal(checkType('run_table', 'table'), 'run_table')
  t.equal(checkType('code', 'run-1-t'), 'code')
})

t.test('lists are checked, and each value is kept once, in order', async t => {
  t.same(checkTags(['b', 'a', 'b']), ['b', 'a'])
  t.same(checkUserAliases(['best', 'latest', 'best', 'v', 'v1a', 'V3']), [
    'best',
    'latest',
    'v',
    'v1a',
    'V3',
  ])
  t.throws(() => checkTags(['a', 'b.']), { code: 'INVALID_TAG', details: { tag: 'b.' } })
  for (const alias of ['v0', 'v12', 'v007']) {
    t.throws(() => checkUserAliases([alias]), { code: 'INVALID_ALIAS', details: { alias } })
  }
  t.throws(() => checkTags('a'), TypeError)
  t.throws(() => checkUserAliases('best'), TypeError)
  t.throws(() => checkUserAliases([3]), TypeError)
})

t.test('a refusal names the value and the rule', async t => {
  t.throws(() => checkName('a b\n'), {
    message: /invalid name 'a b\\n': .*letters, digits/,
    details: { name: 'a b\n' },
  })
})

t.test('the defaults hold the rules', async t => {
  t.equal(checkEntity(DEFAULT_ENTITY), 'default')
  t.equal(checkProject(DEFAULT_PROJECT), 'uncategorized')
  t.equal(checkType(DEFAULT_TYPE), 'dataset')
})
