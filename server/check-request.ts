import { IncomingMessage } from 'node:http'
import type { z } from 'zod'
import { ArtifactError } from '../src/errors.js'
import { checkEntity, checkName, checkProject, DEFAULT_ENTITY } from '../src/model/names.js'
import type { CollectionName } from '../src/model/version.js'
import { KEYS_TYPE, PACK_TYPE } from '../src/remote/messages.js'

/** @throws `ENTITY_NOT_FOUND` for any but the one entity of this server; `INVALID_NAME`. */
export function checkServedEntity(value: unknown): string {
  const entity = checkEntity(value)
  if (entity === DEFAULT_ENTITY) return entity
  throw new ArtifactError('ENTITY_NOT_FOUND', `there is no entity "${entity}"`, {
    details: { entity },
  })
}

/** The collection that the parameters of a route name. @throws `ENTITY_NOT_FOUND`, `INVALID_NAME`. */
export function checkCollection(params: unknown): CollectionName {
  const { entity, project, name } = params as Record<string, unknown>
  return {
    entity: checkServedEntity(entity),
    project: checkProject(project),
    name: checkName(name),
  }
}

/** @throws `REQUEST_INVALID`, saying where, for what `schema` does not take. */
export function checkMessage<T>(value: unknown, schema: z.ZodType<T>): T {
  const parsed = schema.safeParse(value)
  if (parsed.success) return parsed.data
  const [issue] = parsed.error.issues
  const at = issue?.path.join('.') ?? ''
  const message = `the request is not valid${at && ` at ${at}`}: ${issue?.message}`
  throw new ArtifactError('REQUEST_INVALID', message, { details: { at } })
}

/** A body that was read whole. @throws `REQUEST_INVALID` when the content type was another. */
export function checkBytes(body: unknown): Buffer {
  if (Buffer.isBuffer(body)) return body
  throw wrongType(KEYS_TYPE)
}

/** A body that is read as it arrives. @throws as {@link checkBytes} */
export function checkStream(body: unknown): IncomingMessage {
  if (body instanceof IncomingMessage) return body
  throw wrongType(PACK_TYPE)
}

function wrongType(expected: string): ArtifactError {
  return new ArtifactError('REQUEST_INVALID', `the content type must be ${expected}`)
}
