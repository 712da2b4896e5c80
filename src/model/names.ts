import { inspect } from 'node:util'
import { ArtifactError, type ErrorCode } from '../errors.js'

/** Stands for the default entity of the remote, whatever its name there. */
export const DEFAULT_ENTITY = 'default'

/** The project of what is logged without one, as `wandb artifact put` has it. */
export const DEFAULT_PROJECT = 'uncategorized'

/** The type of what is logged without one, as `wandb artifact put` has it. */
export const DEFAULT_TYPE = 'dataset'

interface Rule {
  code: ErrorCode
  what: string
  pattern: RegExp
  says: string
}

// Lengths are W&B's, in characters (code points). \p{Cc} are the control characters, \p{Cs} the
// lone surrogates, which UTF-8 cannot hold.
const NAME: Rule = {
  code: 'INVALID_NAME',
  what: 'name',
  pattern: /^(?!\.{1,2}$)[a-zA-Z0-9_\-.]{1,128}$/,
  says: '1 to 128 letters, digits, "_", "-" and ".", but not "." or ".."',
}
const TYPE: Rule = {
  code: 'INVALID_TYPE',
  what: 'type',
  pattern: /^[^/:\p{Cc}\p{Cs}]{1,128}$/u,
  says: '1 to 128 characters without "/", ":" and control characters',
}
const ALIAS: Rule = { ...TYPE, code: 'INVALID_ALIAS', what: 'alias' }
const TAG: Rule = {
  code: 'INVALID_TAG',
  what: 'tag',
  // Python's \w is every letter and number of Unicode, JavaScript's is ASCII.
  pattern: /^(?=.{1,128}$)[-_\p{L}\p{N}]+(?: +[-_\p{L}\p{N}]+)*$/u,
  says: 'words of letters, digits, "_" and "-", separated by spaces, at most 128 characters',
}
const PROJECT: Rule = {
  code: 'INVALID_NAME',
  what: 'project',
  pattern: /^(?!\.{1,2}$)[^/\\#?%:\p{Cc}\p{Cs}]{1,128}$/u,
  says:
    '1 to 128 characters without any of / \\ # ? % : and control characters, ' +
    'but not "." or ".."',
}
const ENTITY: Rule = { ...PROJECT, what: 'entity' }
const DISTRIBUTED_ID: Rule = {
  code: 'INVALID_NAME',
  what: 'distributed id',
  pattern: /^[^\p{Cc}\p{Cs}]{1,128}$/u,
  says: '1 to 128 characters, no control characters',
}
const RUN_ID: Rule = { ...DISTRIBUTED_ID, what: 'run id' }
const ID: Rule = {
  code: 'INVALID_REFERENCE',
  what: 'id',
  pattern: /^[0-9a-f]{32}$/,
  says: '32 hex digits in lower case',
}

const VERSION_ALIAS = /^v\d+$/

function refuse({ code, what }: Rule, value: string, says: string): ArtifactError {
  const shown = inspect(value, { maxStringLength: 200 })
  return new ArtifactError(code, `invalid ${what} ${shown}: ${says}`, {
    details: { [what]: value },
  })
}

function checkRule(value: unknown, rule: Rule): string {
  if (typeof value !== 'string') {
    throw new TypeError(`${rule.what} must be a string, not ${inspect(value, { depth: 0 })}`)
  }
  if (rule.pattern.test(value)) return value
  throw refuse(rule, value, `it must be ${rule.says}`)
}

function checkEach(values: unknown, check: (value: unknown) => string, what: string): string[] {
  if (!Array.isArray(values)) {
    throw new TypeError(`${what} must be an array, not ${inspect(values, { depth: 0 })}`)
  }
  return [...new Set(values.map(check))]
}

/**
 * The name of a collection: W&B's rule, and neither "." nor "..", for it becomes the name of a
 * folder.
 *
 * @throws `INVALID_NAME`; `TypeError` when it is not a string (so do all checks here).
 */
export function checkName(name: unknown): string {
  return checkRule(name, NAME)
}

/**
 * The type of a collection. Stricter than the constructor of W&B, which takes any characters:
 * "/", ":" and control characters are refused here from the start, as W&B refuses the first two
 * when a type is renamed. Reserved, as there: `wandb-*`, `job`, and with a `name`, `run_table` for
 * `run-*` and `code` for `source-*`.
 *
 * @throws `INVALID_TYPE`
 */
export function checkType(type: unknown, name?: string): string {
  const valid = checkRule(type, TYPE)
  if (valid === 'job' || valid.startsWith('wandb-')) {
    throw refuse(TYPE, valid, '"job" and "wandb-…" are reserved')
  }
  if (valid === 'run_table' && name?.startsWith('run-')) {
    throw refuse(TYPE, valid, 'it is reserved for names that begin with "run-"')
  }
  if (valid === 'code' && name?.startsWith('source-')) {
    throw refuse(TYPE, valid, 'it is reserved for names that begin with "source-"')
  }
  return valid
}

/**
 * Any alias, `vN` too: at most 128 characters, none of them "/", ":" or a control character.
 *
 * @throws `INVALID_ALIAS`
 */
export function checkAlias(alias: unknown): string {
  return checkRule(alias, ALIAS)
}

/** Whether an alias has the form of a version number, which only a catalog gives. */
export function isVersionAlias(alias: string): boolean {
  return VERSION_ALIAS.test(alias)
}

/**
 * Aliases as a user gives them, each once, in their order. `latest` may be among them.
 *
 * @throws `INVALID_ALIAS`, for `vN` too.
 */
export function checkUserAliases(aliases: unknown): string[] {
  return checkEach(
    aliases,
    value => {
      const alias = checkAlias(value)
      if (!isVersionAlias(alias)) return alias
      throw refuse(ALIAS, alias, '"v" and a number is reserved for versions')
    },
    'aliases',
  )
}

/**
 * Aliases that an edit gives or takes: `latest` belongs to the last version.
 *
 * @throws `INVALID_ALIAS`, for `latest` and `vN` too.
 */
export function checkEditedAliases(aliases: unknown): string[] {
  const valid = checkUserAliases(aliases)
  if (!valid.includes('latest')) return valid
  throw refuse(ALIAS, 'latest', 'it is reserved for the last version')
}

/**
 * Words of letters, digits, "_" and "-" (of any script, as in Python), separated by spaces.
 *
 * @throws `INVALID_TAG`
 */
export function checkTag(tag: unknown): string {
  return checkRule(tag, TAG)
}

/**
 * Tags, each once, in their order.
 *
 * @throws `INVALID_TAG`
 */
export function checkTags(tags: unknown): string[] {
  return checkEach(tags, checkTag, 'tags')
}

/** @throws `INVALID_NAME` */
export function checkProject(project: unknown): string {
  return checkRule(project, PROJECT)
}

/** The rule of projects. @throws `INVALID_NAME` */
export function checkEntity(entity: unknown): string {
  return checkRule(entity, ENTITY)
}

/** What the writers of one open version have in common. @throws `INVALID_NAME` */
export function checkDistributedId(id: unknown): string {
  return checkRule(id, DISTRIBUTED_ID)
}

/** What tells a run from others of its project. @throws `INVALID_NAME` */
export function checkRunId(id: unknown): string {
  return checkRule(id, RUN_ID)
}

/** The permanent id of a version: 32 hex digits in lower case. @throws `INVALID_REFERENCE` */
export function checkId(id: unknown): string {
  return checkRule(id, ID)
}
