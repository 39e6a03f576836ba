-- A service posts one form again and again: `wrk -s form.lua … URL -- AUTHORIZATION FORM`.
function init(args)
  wrk.method = "POST"
  wrk.headers["Authorization"] = args[1]
  wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
  wrk.body = args[2]
end
