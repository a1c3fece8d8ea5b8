"""All words of the pages without scripts. Those of the interface stand in `ui/src/texts`."""

LOGIN = "Log in to Taskyard"
LOG_IN = "Log in"
LOG_IN_AT = "Log in with {}"
LOG_IN_OTHERWISE = "Log in with a token"
FIELDS = {"user": "Name", "password": "Password", "token": "Token"}
WHERE_TOKENS_ARE = "The server prints a login link when it starts; `taskyard token create` makes a token."
LINK_OVER = "This link was used before or is too old."
NO_PASSWORDS = "Nobody logs in with a password here."
TOO_LATE = "This login was begun elsewhere or too long ago; log in again."
TOO_MANY_FIELDS = "The provider's answer has too many fields."

YOUR_TASKS = "Your tasks"
CONTINUE_AS = "Continue as {}"
TO_SEE_THEM = "to see your tasks."

HOME = "Taskyard"
ROUTES = "Taskyard: routes"
SEE_ROUTES = "The routes"
ROUTE_COLUMNS = ("Route", "What it does", "Parameters")
BODY = "body: {}"
