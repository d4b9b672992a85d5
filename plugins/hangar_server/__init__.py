"""The server behind ``http`` remotes: bare remotes under one folder, for many clients.

The command `hangar server` starts it. It needs the extra `server` (starlette, uvicorn).
"""
