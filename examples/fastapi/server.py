"""An API that checks each request's token by introspection (RFC 7662), with Authlib."""

import logging
import os
from typing import Annotated

import httpx
import uvicorn
from authlib.integrations.httpx_client import AsyncOAuth2Client
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

URL = os.environ["INTROSPECTION_URL"]
client = AsyncOAuth2Client(os.environ["INTROSPECTION_ID"], os.environ["INTROSPECTION_SECRET"], timeout=2)
Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(HTTPBearer(auto_error=False))]


def refused(status, why=""):
    return HTTPException(status, headers={"WWW-Authenticate": f'Bearer realm="calls"{why}'})


def needs(permission):
    async def check(credentials: Credentials):
        if credentials is None:
            raise refused(401)
        try:
            answer = await client.introspect_token(URL, credentials.credentials)
            token = answer.raise_for_status().json()
        except (httpx.HTTPError, ValueError) as error:
            logging.error("cannot check a token: %s", error)
            raise HTTPException(503, headers={"Retry-After": "1"}) from error  # no answer is not a yes
        if not token["active"]:
            raise refused(401, ', error="invalid_token"')
        if permission not in token["scope"].split():
            raise refused(403, f', error="insufficient_scope", scope="{permission}"')
        return token

    return Depends(check)


app = FastAPI()


@app.get("/calls")
async def calls(token: Annotated[dict, needs("calling")]):
    return {"project": token["project_id"], "token": token["sub"]}


uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]))
