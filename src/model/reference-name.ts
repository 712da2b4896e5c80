import { inspect } from 'node:util'
import { ArtifactError } from '../errors.js'
import { checkAlias, checkEntity, checkName, checkProject, isVersionAlias } from './names.js'
import { type CollectionName, NO_NUMBER, type Version } from './version.js'

/** Which version of a collection is meant. An `id` is whole or a prefix of 8 or more digits. */
export type Selector =
  | { kind: 'alias'; alias: string }
  | { kind: 'number'; number: number }
  | { kind: 'id'; id: string }

export interface ArtifactName extends CollectionName {
  selector: Selector
}

/** What a name that leaves out its project or entity means. */
export interface NameDefaults {
  entity: string
  project: string
}

function invalid(text: string, reason: string): ArtifactError {
  const shown = inspect(text, { maxStringLength: 200 })
  return new ArtifactError(
    'INVALID_REFERENCE',
    `not the name of an artifact: ${shown}: ${reason}`,
    {
      details: { reference: text },
    },
  )
}

function parseTag(tag: string, text: string): Selector {
  if (tag === '') throw invalid(text, 'nothing follows the ":"')
  if (!isVersionAlias(tag)) return { kind: 'alias', alias: checkAlias(tag) }
  const number = Number(tag.slice(1))
  if (Number.isSafeInteger(number) && tag === `v${number}`) return { kind: 'number', number }
  throw invalid(text, `"${tag}" is not the number of a version`)
}

function parseId(id: string, text: string): Selector {
  if (/^[0-9a-f]{8,32}$/.test(id)) return { kind: 'id', id }
  throw invalid(text, 'an id is 8 to 32 hex digits in lower case')
}

function split(text: string): { parts: string[]; tag?: string; id?: string } {
  if (typeof text !== 'string') {
    throw new TypeError(`the name of an artifact must be a string, not ${inspect(text)}`)
  }
  const colon = text.indexOf(':')
  const path = colon === -1 ? text : text.slice(0, colon)
  // A project may hold an "@", a name may not.
  const at = path.indexOf('@', path.lastIndexOf('/') + 1)
  const parts = (at === -1 ? path : path.slice(0, at)).split('/')
  if (parts.length > 3) throw invalid(text, 'it has more than three parts')
  if (parts.includes('')) throw invalid(text, 'a part of it is empty')
  return {
    parts,
    tag: colon === -1 ? undefined : text.slice(colon + 1),
    id: at === -1 ? undefined : path.slice(at + 1),
  }
}

function toCollection(parts: string[], defaults: NameDefaults): CollectionName {
  const [name, project = defaults.project, entity = defaults.entity] = parts.toReversed()
  return {
    entity: checkEntity(entity),
    project: checkProject(project),
    name: checkName(name),
  }
}

/**
 * Reads `[[ENTITY/]PROJECT/]NAME[:ALIAS|:vN|@ID]`; without a selector it is the alias `latest`.
 * As in W&B, the first ":" ends the name.
 *
 * @throws `INVALID_REFERENCE` for another form, `INVALID_NAME` and `INVALID_ALIAS` for a part that
 *   breaks its rule, `TypeError` when `text` is not a string.
 */
export function parseArtifactName(text: string, defaults: NameDefaults): ArtifactName {
  const { parts, tag, id } = split(text)
  if (tag !== undefined && id !== undefined) throw invalid(text, 'it has both an id and an alias')
  const collection = toCollection(parts, defaults)
  if (tag !== undefined) return { ...collection, selector: parseTag(tag, text) }
  if (id !== undefined) return { ...collection, selector: parseId(id, text) }
  return { ...collection, selector: { kind: 'alias', alias: 'latest' } }
}

/**
 * Reads `[[ENTITY/]PROJECT/]NAME`.
 *
 * @throws as {@link parseArtifactName}, and `INVALID_REFERENCE` when an alias, number or id
 *   follows.
 */
export function parseCollectionName(text: string, defaults: NameDefaults): CollectionName {
  const { parts, tag, id } = split(text)
  if (tag !== undefined || id !== undefined) throw invalid(text, 'no version may be named here')
  return toCollection(parts, defaults)
}

/** `project/name:v3`, as messages show a version; `project/name@1f2e3d4c` while it has no number. */
export function formatVersionName({
  id,
  project,
  name,
  number,
}: Pick<Version, 'id' | 'project' | 'name' | 'number'>): string {
  return `${project}/${name}${number === NO_NUMBER ? `@${id.slice(0, 8)}` : `:v${number}`}`
}
