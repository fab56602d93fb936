/**
 * An OpenID Connect provider (the package oidc-provider) with two people, a viewer and a machine.
 *
 *     node provider.mjs PORT REDIRECT JWK
 *
 * JWK is the private key it signs with. Whoever types a name below is that person; it prints a line
 * once it listens.
 */
import Provider from 'oidc-provider'

const [port, redirect, jwk] = process.argv.slice(2)
const PEOPLE = {
  wang: { roles: ['bureau-desk', 'not-paired', 'boss'], areas: ['441900001'] },
  chen: { roles: ['not-paired'] },
}
const AUDIENCE = 'https://city.example/api'

const provider = new Provider(`http://127.0.0.1:${port}`, {
  jwks: { keys: [JSON.parse(jwk)] },
  clients: [
    {
      client_id: 'cimtwin', token_endpoint_auth_method: 'none', redirect_uris: [redirect],
      grant_types: ['authorization_code'], response_types: ['code'],
    },
    {
      client_id: 'meter-gateway', client_secret: 'of-the-machine', redirect_uris: [], response_types: [],
      grant_types: ['client_credentials'],
    },
  ],
  claims: { openid: ['sub', 'roles', 'areas'] },
  findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...PEOPLE[id] }) }),
  extraTokenClaims: () => ({ roles: ['bureau-figures'], areas: ['441900001'] }),
  pkce: { required: () => true },
  cookies: { keys: ['of-a-test'] },
  features: {
    devInteractions: { enabled: true },
    clientCredentials: { enabled: true },
    resourceIndicators: {
      enabled: true,
      defaultResource: (_, client) => (client.clientId === 'cimtwin' ? undefined : AUDIENCE),
      getResourceServerInfo: () => ({ scope: '', audience: AUDIENCE, accessTokenFormat: 'jwt' }),
    },
  },
})
provider.listen(Number(port), '127.0.0.1', () => console.log('listening'))
