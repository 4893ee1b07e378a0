// client.api.accounts of the package that CLIENT names: list, create, fetch, update, below the plain /2010-04-01. All of
// them are made from Twilio's. The test has made as many subprojects before as CUSTOMERS says.
'use strict';

const { PROJECT, UUID, assert, witnessed } = require('./witness.cjs');

const SPACE = process.env.SIGNALWIRE_SPACE_URL;
const CUSTOMERS = Number(process.env.CUSTOMERS);
const STRANGER = '00000000-0000-4000-8000-000000000000';

const MAKERS = {
  '@signalwire/compatibility-api': (token) =>
    require('@signalwire/compatibility-api').RestClient(PROJECT, token, { signalwireSpaceUrl: SPACE }),
  '@signalwire/node': (token) => {
    const { RestClient } = require('@signalwire/node');
    return new RestClient(PROJECT, token, { signalwireSpaceUrl: SPACE });
  },
  // It wants a sid that begins with AC, and takes another user name beside it.
  twilio: (token) => {
    const own = require('twilio')(PROJECT, token, { accountSid: `AC${PROJECT}` });
    own.api.baseUrl = `https://${SPACE}`;
    return own;
  },
};

const client = (token = process.env.SIGNALWIRE_API_TOKEN) => MAKERS[process.env.CLIENT](token);

const sids = (accounts) => accounts.map((account) => account.sid);

async function refused(status, code, call) {
  let answered;
  try {
    answered = await call();
  } catch (error) {
    assert.deepEqual([error.status, error.code], [status, code], error.stack);
    return;
  }
  assert.fail(`not refused with ${status}: ${JSON.stringify(answered)}`);
}

async function main() {
  const accounts = client().api.accounts;

  const listed = sids(await accounts.list());
  assert.equal(listed.length, CUSTOMERS + 1);
  assert.equal(new Set(listed).size, listed.length, 'each once');
  assert.equal(listed.at(-1), PROJECT, 'newest first, and the root is the oldest');
  witnessed(`accounts.list walks all pages of ${listed.length} accounts by itself, each once, the newest first`);

  assert.deepEqual(sids(await accounts.list({ pageSize: 7 })), listed);
  assert.deepEqual(sids(await accounts.list({ limit: 60, pageSize: 50 })), listed.slice(0, 60));
  witnessed('accounts.list keeps pageSize and limit');

  const first = await accounts.page({ pageSize: 50 });
  assert.ok(first.nextPageUrl.startsWith(`https://${SPACE}/2010-04-01/Accounts?`), first.nextPageUrl);
  const second = await first.nextPage();
  assert.deepEqual(sids(second.instances), listed.slice(50, 100));
  assert.deepEqual(sids((await second.previousPage()).instances), listed.slice(0, 50));
  assert.deepEqual(sids((await accounts.getPage(first.nextPageUrl)).instances), listed.slice(50, 100));
  witnessed('nextPage, previousPage and getPage follow the links, which stay below /2010-04-01');

  const created = await accounts.create({ friendlyName: 'Kundin „Null“ & Söhne 100 %' });
  assert.match(created.sid, UUID);
  assert.equal(created.friendlyName, 'Kundin „Null“ & Söhne 100 %');
  assert.deepEqual([created.status, created.type, created.authToken], ['active', 'Full', 'redacted']);
  assert.equal(created.ownerAccountSid, PROJECT);
  assert.ok(Math.abs(Date.now() - new Date(created.dateCreated).getTime()) < 10 * 60 * 1000, created.dateCreated);
  assert.equal(created.uri, `/2010-04-01/Accounts/${created.sid}`);
  assert.equal(created.subresourceUris.calls, `${created.uri}/Calls`);
  witnessed('accounts.create makes a subproject, whose dates and links are read');

  const fetched = await accounts(created.sid).fetch();
  assert.deepEqual([fetched.sid, fetched.friendlyName], [created.sid, created.friendlyName]);
  assert.equal((await accounts(PROJECT).fetch()).ownerAccountSid, PROJECT);
  witnessed('accounts(sid).fetch shows the subproject, and the own project');

  const renamed = await fetched.update({ friendlyName: 'Customer zero' });
  assert.equal(renamed.friendlyName, 'Customer zero');
  assert.equal((await accounts(created.sid).fetch()).friendlyName, 'Customer zero');
  assert.deepEqual(sids(await accounts.list({ friendlyName: 'Customer zero' })), [created.sid]);
  witnessed('accounts(sid).update changes the name, by which accounts.list finds it');

  await refused(401, 20003, () => client(`PT${'0'.repeat(48)}`).api.accounts(PROJECT).fetch());
  await refused(404, 20404, () => accounts(STRANGER).fetch());
  await refused(422, 20002, () => accounts.create({ friendlyName: '' }));
  await refused(404, 20404, () => accounts(PROJECT).calls.list({ limit: 1 }));
  witnessed("what is refused raises the client's own error, with status and code");
}

main().catch((error) => {
  console.error(error.stack);
  process.exit(1);
});
