// The client's typed error (status, code, message, moreInfo), and calls that the service does not have.
'use strict';

const { PROJECT, assert, client, refused, witnessed } = require('./witness.cjs');

const STRANGER = '00000000-0000-4000-8000-000000000000';

async function main() {
  const accounts = client().api.accounts;

  await refused(401, 20003, () => client(PROJECT, `PT${'0'.repeat(48)}`).api.accounts.list());
  await refused(401, 20003, () => client(STRANGER).api.accounts(STRANGER).fetch());
  witnessed('a wrong secret and another project are 401, code 20003');

  await refused(404, 20404, () => accounts(STRANGER).fetch());
  await refused(404, 20404, () => accounts(STRANGER).update({ friendlyName: 'Mine now' }));
  witnessed("an account that is nobody's is 404, code 20404");

  await refused(400, 10000, () => accounts('no-uuid').fetch());
  witnessed('a sid that is no UUID is 400, code 10000');

  await refused(422, 20002, () => accounts.create({ friendlyName: '' }));
  await refused(422, 20002, () => accounts.create({ friendlyName: 'x'.repeat(251) }));
  await refused(422, 20002, () => accounts.create());
  witnessed('a friendly name that is missing, blank or over-long is 422, code 20002');

  await refused(400, 54453, () => accounts.page({ pageToken: 'PAforged', pageNumber: 1 }));
  await refused(400, 54453, () => accounts.page({ pageNumber: 1 }));
  witnessed('a page that no token of ours leads to is 400, code 54453');

  await refused(400, 54454, () => accounts.list({ pageSize: 1001 }));
  // Without a page size the client asks for the limit as the page, whatever its documentation says of min(limit, 1000).
  await refused(400, 54454, () => accounts.list({ limit: 1001 }));
  witnessed('a page of more than 1000 rows is 400, code 54454');

  await refused(422, 20002, () => accounts(PROJECT).update({ status: 'closed' }));
  assert.equal((await accounts(PROJECT).fetch()).status, 'active');
  witnessed('closing an account is refused, and closes nothing');

  // Twilio's Tokens.json, for media relays: not the tokens of this service, which this client has no call for.
  await refused(404, 20404, () => accounts(PROJECT).tokens.create({ ttl: 60 }));
  await refused(404, 20404, () => accounts(PROJECT).calls.list({ limit: 1 }));
  witnessed('a call that the service does not have is 404, code 20404');
}

main().catch((error) => {
  console.error(error.stack);
  process.exit(1);
});
