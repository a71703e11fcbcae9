/** `tidegate token`: mints a token for development, as a domain service would for its user. */
import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { variableOf } from '../gateway/config.js'
import { mintToken, type MintRequest } from '../gateway/mint-token.js'
import { IdentityReader } from '../gateway/token-identity.js'
import { isChannel } from '../shared/channel.js'
import { limits } from '../shared/limits.js'
import { isPattern, isPermission } from '../shared/pattern.js'
import { CommandError, messageOf, UsageError, type Command, type Terminal } from './command.js'
import { parseSeconds } from './duration.js'

const secretVariable = variableOf('jwtSecrets')
const audienceVariable = variableOf('jwtAudience')
const issuerVariable = variableOf('jwtIssuer')

const help = `tidegate token --sub u1 --subscribe 'orders.*' --publish chat.lobby --ttl 10m

Mints a token for development (HS256) and prints it. Lists are separated by commas, or the option
is repeated.
  --sub          who it is for; the sender of what is published with it
  --channels     channels that a connection is subscribed to at once
  --subscribe    channels and patterns that may be subscribed
  --publish      channels and patterns that may be published to
  --ttl          how long it is good: 30s, 10m, 1h (default 10m)
  --audience     the claim aud (default: ${audienceVariable}, if set)
  --issuer       the claim iss (default: ${issuerVariable}, if set)
  --secret-file  the file with the secret (default: the first one in ${secretVariable})`

export const tokenCommand: Command = {
  name: 'token',
  summary: 'mint a token for development',
  help,
  async run(args, terminal) {
    const { values } = parseArgs({
      args: [...args],
      options: {
        sub: { type: 'string' },
        channels: { type: 'string', multiple: true },
        subscribe: { type: 'string', multiple: true },
        publish: { type: 'string', multiple: true },
        ttl: { type: 'string', default: '10m' },
        audience: { type: 'string' },
        issuer: { type: 'string' },
        'secret-file': { type: 'string' },
      },
    })
    const ttlSeconds = parseSeconds(values.ttl)
    if (ttlSeconds === undefined) {
      throw new UsageError(`--ttl ${values.ttl}: must be a duration such as 30s, 10m or 1h.`)
    }
    const request = {
      secret: readSecret(values['secret-file'], terminal),
      sub: values.sub,
      channels: readList('--channels', values.channels, isChannelOrPattern),
      subscribe: readList('--subscribe', values.subscribe, isPermission),
      publish: readList('--publish', values.publish, isPermission),
      ttlSeconds,
      audience: values.audience ?? given(terminal, audienceVariable),
      issuer: values.issuer ?? given(terminal, issuerVariable),
    }
    checkClaims(request)
    if ((request.channels ?? request.subscribe ?? request.publish) === undefined) {
      terminal.err('This token may do nothing: give it --channels, --subscribe or --publish.')
    }
    if (ttlSeconds > limits.tokenLifetimeSecondsMax) {
      terminal.err(
        `A gateway refuses a token of more than ${limits.tokenLifetimeSecondsMax} s, unless ` +
          `${variableOf('tokenLifetimeSecondsMax')} says otherwise.`,
      )
    }
    try {
      terminal.out(await mintToken(request))
    } catch (error) {
      throw new CommandError(messageOf(error))
    }
    return 0
  },
}

/** As a gateway will: what it would refuse is not minted. */
function checkClaims({ sub, channels, subscribe, publish }: MintRequest): void {
  const given = Object.entries({ sub, channels, subscribe, publish })
  const claims = Object.fromEntries(given.filter(([, value]) => value !== undefined))
  const identity = new IdentityReader().read({ ...claims, exp: 0 })
  if ('ok' in identity) throw new UsageError(identity.message)
}

function isChannelOrPattern(text: string): boolean {
  return isChannel(text) || isPattern(text)
}

function given({ env }: Terminal, variable: string): string | undefined {
  const value = env[variable]
  return value === '' ? undefined : value
}

function readSecret(file: string | undefined, terminal: Terminal): string {
  if (file === undefined) {
    const secret = given(terminal, secretVariable)
    if (secret !== undefined) return secret
    throw new CommandError(`There is no secret: set ${secretVariable}, or give --secret-file.`)
  }
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new CommandError(`--secret-file: ${messageOf(error)}`)
  }
}

function readList(
  option: string,
  given: readonly string[] | undefined,
  isValid: (text: string) => boolean,
): readonly string[] | undefined {
  const names = given?.flatMap((list) => list.split(',')).filter((name) => name !== '')
  const bad = names?.find((name) => !isValid(name))
  if (bad !== undefined) throw new UsageError(`${option} ${bad}: is no channel or pattern.`)
  return names
}
