// openid-client and oauth4webapi look tokens up (RFC 7662), as they do without being told otherwise.
'use strict';

const { pathToFileURL } = require('node:url');
const { PROJECT, assert, witnessed } = require('./witness.cjs');

const SECRET = process.env.SIGNALWIRE_API_TOKEN;
const issuer = `https://${process.env.SIGNALWIRE_SPACE_URL}`;
const server = { issuer, introspection_endpoint: `${issuer}/oauth/introspect` };

// Modules of this kind do not look where NODE_PATH says.
const load = (name) => import(pathToFileURL(require.resolve(name)));

function assertActive(found) {
  assert.equal(found.active, true);
  assert.deepEqual([found.client_id, found.scope, found.token_type], [PROJECT, 'management', 'api_token']);
}

async function main() {
  const openid = await load('openid-client');
  const ways = { default: undefined, ClientSecretPost: openid.ClientSecretPost(SECRET), ClientSecretBasic: openid.ClientSecretBasic(SECRET) };
  for (const [name, way] of Object.entries(ways)) {
    const own = new openid.Configuration(server, PROJECT, SECRET, way);
    assertActive(await openid.tokenIntrospection(own, SECRET));
    assert.deepEqual(await openid.tokenIntrospection(own, 'unknown'), { active: false });
    assertActive(await openid.tokenIntrospection(own, SECRET, { token_type_hint: 'access_token' }));
    witnessed(`openid-client.tokenIntrospection, authentication: ${name}`);
  }

  for (const way of [undefined, openid.ClientSecretBasic('wrong')]) {
    const wrong = new openid.Configuration(server, PROJECT, 'wrong', way);
    const error = await openid.tokenIntrospection(wrong, SECRET).then(assert.fail, (error) => error);
    // With a challenge in the answer it names that, else the word in the body.
    assert.match(JSON.stringify([error.code, error.error, error.status, error.cause]), /invalid_client|CHALLENGE|401/);
  }
  witnessed('openid-client.tokenIntrospection is refused with a wrong secret');

  const oauth = await load('oauth4webapi');
  const client = { client_id: PROJECT };
  for (const name of ['ClientSecretBasic', 'ClientSecretPost']) {
    const answer = await oauth.introspectionRequest(server, client, oauth[name](SECRET), SECRET);
    assertActive(await oauth.processIntrospectionResponse(server, client, answer));
    witnessed(`oauth4webapi.introspectionRequest, authentication: ${name}`);
  }
  const answer = await oauth.introspectionRequest(server, client, oauth.ClientSecretBasic('wrong'), SECRET);
  assert.deepEqual([answer.status, await answer.json()], [401, { error: 'invalid_client' }]);
  witnessed('oauth4webapi.introspectionRequest is refused with a wrong secret');
}

main().catch((error) => {
  console.error(error.stack);
  process.exit(1);
});
