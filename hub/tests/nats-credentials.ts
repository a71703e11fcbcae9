/** Keys and certificates for a nats-server that wants to know who comes, made when a test runs. */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { nkeys } from '@nats-io/transport-node'

type KeyPair = ReturnType<typeof nkeys.createUser>

const decoder = new TextDecoder()

export interface UserKey {
  readonly publicKey: string
  readonly seed: string
}

export function createUserKey(): UserKey {
  return keyOf(nkeys.createUser())
}

export interface Operator {
  /** Lines of server configuration that trust this operator and know its account. */
  readonly config: string
  /** What `nsc` would write into a `.creds` file for one user of the account. */
  readonly credentials: string
}

export function createOperator(): Operator {
  const [operator, account] = [nkeys.createOperator(), nkeys.createAccount()]
  const user = keyOf(nkeys.createUser())
  const unlimited = {
    subs: -1,
    data: -1,
    payload: -1,
    conn: -1,
    leaf: -1,
    imports: -1,
    exports: -1,
  }
  const operatorJwt = jwt(operator, operator.getPublicKey(), { type: 'operator', version: 2 })
  const accountClaims = { type: 'account', version: 2, limits: { ...unlimited, wildcards: true } }
  const accountJwt = jwt(operator, account.getPublicKey(), accountClaims)
  const userJwt = jwt(account, user.publicKey, {
    type: 'user',
    version: 2,
    ...{ subs: -1, data: -1, payload: -1 },
  })
  return {
    config: `operator: ${operatorJwt}
resolver: MEMORY
resolver_preload: { ${account.getPublicKey()}: ${accountJwt} }`,
    credentials: `-----BEGIN NATS USER JWT-----
${userJwt}
------END NATS USER JWT------

-----BEGIN USER NKEY SEED-----
${user.seed}
------END USER NKEY SEED------
`,
  }
}

export interface Certificates {
  readonly caFile: string
  readonly certFile: string
  readonly keyFile: string
}

/** A certificate for localhost, and the authority of its own that signed it. */
export function createCertificates(directory: string): Certificates {
  const file = (name: string): string => join(directory, name)
  const openssl = (...words: string[]): void =>
    void execFileSync('openssl', words, { stdio: ['ignore', 'ignore', 'ignore'] })
  const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  const ca = ['-x509', '-days', '2', '-subj', '/CN=Test authority']
  openssl('req', ...ec, ...ca, '-keyout', file('ca.key'), '-out', file('ca.pem'))
  const request = ['-subj', '/CN=localhost', '-keyout', file('key.pem'), '-out', file('csr.pem')]
  openssl('req', ...ec, ...request)
  writeFileSync(file('ext'), 'subjectAltName=DNS:localhost,IP:127.0.0.1\n')
  const signed = ['-CA', file('ca.pem'), '-CAkey', file('ca.key'), '-CAcreateserial', '-days', '2']
  const extension = ['-extfile', file('ext'), '-out', file('cert.pem')]
  openssl('x509', '-req', '-in', file('csr.pem'), ...signed, ...extension)
  return { caFile: file('ca.pem'), certFile: file('cert.pem'), keyFile: file('key.pem') }
}

function keyOf(pair: KeyPair): UserKey {
  return { publicKey: pair.getPublicKey(), seed: decoder.decode(pair.getSeed()) }
}

function jwt(issuer: KeyPair, subject: string, nats: Record<string, unknown>): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const claims = { jti: subject, iat: 1_700_000_000, iss: issuer.getPublicKey(), sub: subject }
  const text = `${part({ typ: 'JWT', alg: 'ed25519-nkey' })}.${part({ ...claims, nats })}`
  return `${text}.${Buffer.from(issuer.sign(Buffer.from(text))).toString('base64url')}`
}
