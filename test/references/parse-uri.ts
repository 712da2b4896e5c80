import t from 'tap'
import { parseReferenceUri, referenceBaseName } from '../../src/references/parse-uri.js'

t.test('a URI is kept as it was given', t => {
  for (const uri of [
    'https://Example.com/a b/ü?x=1#y',
    's3://bucket/key?token=in a key',
    'gs://bucket/a@b',
    'file:///a/b',
    'hdfs://host/path',
    'urn:isbn:123',
    'abfss://container@account.dfs.core.windows.net/x',
    'S3://bucket/key',
  ]) {
    t.equal(parseReferenceUri(uri).uri, uri)
  }
  t.equal(parseReferenceUri(new URL('https://example.com/a')).uri, 'https://example.com/a')
  t.equal(parseReferenceUri('S3://bucket/key').scheme, 's3')
  t.end()
})

t.test('what is no URI is refused', t => {
  for (const text of [
    '',
    'a/b',
    '/a/b',
    'C:\\x',
    'c:/x',
    '://x',
    's3:',
    'https://',
    'http://a b/',
  ]) {
    t.throws(() => parseReferenceUri(text), { code: 'INVALID_URI' }, text)
  }
  for (const text of ['s3://b/a\nb', 's3://b/a\0b', 'https://h/\r\nx: y', 's3://b/\ud800']) {
    t.throws(() => parseReferenceUri(text), { code: 'INVALID_URI' }, JSON.stringify(text))
  }
  for (const value of [undefined, null, 7, {}]) t.throws(() => parseReferenceUri(value), TypeError)
  t.end()
})

t.test('credentials are refused and never repeated', t => {
  for (const uri of [
    'https://user:s3cr3t@host/x',
    'https://s3cr3t@host/x',
    's3://AKIA:s3cr3t@bucket/x',
    'gs://s3cr3t@bucket/x',
    'ftp://user:s3cr3t@host/x',
    'postgres://user:s3cr3t@host/db',
    'https://host/x?X-Amz-Signature=s3cr3t',
    'https://host/x?a=1&x-amz-security-token=s3cr3t',
    'https://host/x?X-Goog-Signature=s3cr3t',
    'https://host/x?X-%41mz-Signature=s3cr3t',
    'https://host/x?sv=2020&sig=s3cr3t',
    'https://host/x?Signature=s3cr3t&Key-Pair-Id=k',
    'https://host/x?access_token=s3cr3t',
    'https://host/x?token=s3cr3t',
    'https://host/x#access_token=s3cr3t',
    'https://host/x?X-Amz-Credential=s3cr3t',
    'https://host/x?x-goog-credential=s3cr3t',
    'https://host/x?x-oss-signature=s3cr3t',
    'https://host/x?q-signature=s3cr3t',
    'https://host/x?private_token=s3cr3t',
    'https://host/x?a=1;API-Key=s3cr3t',
    'https://host/x?password=s3cr3t',
    'https://host/x?jwt=s3cr3t',
  ]) {
    try {
      parseReferenceUri(uri)
      t.fail(uri)
    } catch (error) {
      t.match(error, { code: 'URI_HAS_CREDENTIALS' }, uri)
      t.notOk(JSON.stringify(error).includes('s3cr3t'), 'the secret stays out of the error')
    }
  }
  t.end()
})

t.test('the last part of a URI names what it leads to', t => {
  const rows = {
    'https://host/a/b.csv?x=/y#/z': 'b.csv',
    'https://host/a%20b': 'a b',
    'https://host/a%2Fb': 'a%2Fb',
    'https://host/': '',
    'https://host': '',
    's3://bucket/a/b%20c?d#e': 'b%20c?d#e',
    's3://bucket/a/b?versionId=x/y': 'b',
    's3://bucket/a/': 'a',
    's3://bucket': '',
    'gs://bucket/a/b#12': 'b',
    'gs://bucket/a/b#x12': 'b#x12',
    'file:///a/b%20c': 'b c',
    'urn:isbn:1': 'isbn:1',
  }
  for (const [uri, name] of Object.entries(rows)) {
    t.equal(referenceBaseName(parseReferenceUri(uri)), name, uri)
  }
  t.end()
})
