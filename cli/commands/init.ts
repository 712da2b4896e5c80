import { resolve } from 'node:path'
import { ArtifactError } from '../../src/errors.js'
import { isAlgorithm } from '../../src/model/digest.js'
import { checkEntity } from '../../src/model/names.js'
import { readCaFile } from '../../src/net/read-ca-file.js'
import {
  checkRemoteUrl,
  parseCacheLimit,
  parseLimit,
  readSettings,
  writeConfig,
} from '../../src/store/settings.js'
import { openStore } from '../../src/store/store.js'
import type { Context, Result } from '../context.js'

export async function init(
  options: {
    remote?: string
    entity?: string
    limit?: string
    caFile?: string
    cacheLimit?: string
    digest?: string
  },
  context: Context,
): Promise<Result> {
  const { digest } = options
  if (digest !== undefined && !isAlgorithm(digest)) {
    throw new ArtifactError('INVALID_CONFIG', `"${digest}" is no digest: xxh128, md5 or sha256`)
  }
  const changes = {
    ...(options.remote !== undefined && { remote: checkRemoteUrl(options.remote) }),
    ...(options.entity !== undefined && { entity: checkEntity(options.entity) }),
    ...(options.limit !== undefined && { limit: checkLimit(options.limit) }),
    ...(options.caFile !== undefined && { caFile: checkCaFile(options.caFile) }),
    ...(options.cacheLimit !== undefined && { cacheLimit: checkCacheLimit(options.cacheLimit) }),
  }
  const { home } = readSettings(context.env)
  const store = openStore(home, { algorithm: digest })
  if (Object.keys(changes).length > 0) writeConfig(home, changes)
  const { remote, entity, limit, caFile, cacheLimit } = readSettings(context.env)
  const data = {
    ...{ home, storeId: store.id, digest: store.algorithm },
    ...{ remote, entity, limit, caFile, cacheLimit },
  }
  await store.close()
  const target = remote === null ? 'no remote: versions stay here' : `remote ${remote}`
  return { data, text: `store ${home} (${data.digest}), ${target}` }
}

/** What is written into config.json: the text as it is, or nothing. */
function checkLimit(text: string): string | undefined {
  if (text === 'none') return undefined
  parseLimit(text)
  return text
}

function checkCacheLimit(text: string): string | undefined {
  if (text === 'none') return undefined
  parseCacheLimit(text)
  return text
}

function checkCaFile(path: string): string | undefined {
  if (path === 'none') return undefined
  readCaFile(resolve(path))
  return resolve(path)
}
