-- A service asks about one token: `wrk -s introspect.lua … URL -- AUTHORIZATION TOKEN`.
function init(args)
  wrk.method = "POST"
  wrk.headers["Authorization"] = args[1]
  wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
  wrk.body = "token=" .. args[2]
end
