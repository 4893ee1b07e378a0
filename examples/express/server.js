// An API that checks each request's token by introspection (RFC 7662), with openid-client.
import express from 'express';
import * as oauth from 'openid-client';

const { INTROSPECTION_URL, INTROSPECTION_ID, INTROSPECTION_SECRET, PORT } = process.env;
const server = { issuer: new URL(INTROSPECTION_URL).origin, introspection_endpoint: INTROSPECTION_URL };
const config = new oauth.Configuration(server, INTROSPECTION_ID, undefined, oauth.ClientSecretBasic(INTROSPECTION_SECRET));
config.timeout = 2; // seconds
if (INTROSPECTION_URL.startsWith('http:')) oauth.allowInsecureRequests(config); // only on a private network

const needs = (permission) => async (request, response, next) => {
  const refuse = (status, why) => response.set('WWW-Authenticate', `Bearer realm="calls"${why}`).sendStatus(status);
  const secret = /^Bearer +(\S+)$/i.exec(request.get('authorization') ?? '')?.[1];
  if (!secret) return refuse(401, '');
  let token;
  try {
    token = await oauth.tokenIntrospection(config, secret);
  } catch (error) {
    console.error(`cannot check a token: ${error.message}`);
    return response.set('Retry-After', '1').sendStatus(503); // no answer is not a yes
  }
  if (!token.active) return refuse(401, ', error="invalid_token"');
  if (!token.scope.split(' ').includes(permission)) return refuse(403, `, error="insufficient_scope", scope="${permission}"`);
  request.token = token;
  next();
};

const app = express();
app.get('/calls', needs('calling'), (request, response) => {
  response.json({ project: request.token.project_id, token: request.token.sub });
});
app.listen(Number(PORT), '127.0.0.1');
