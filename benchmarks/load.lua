-- Events with ids nobody has seen, for wrk; arguments: events in a request, rules, and with keys
-- other than 0 all are of one type, of so many subjects.
local batch, rules, keys = 1, 1000, 0
local threads = 0
function setup(thread)
  threads = threads + 1
  thread:set("tid", threads)
end
function init(args)
  if args[1] then batch = tonumber(args[1]) end
  if args[2] then rules = tonumber(args[2]) end
  if args[3] then keys = tonumber(args[3]) end
  math.randomseed(os.time() * 1000 + tid * 7919 + tonumber(tostring({}):sub(8), 16) % 100000)
  n = 0
end
local function event()
  n = n + 1
  local kind = "quiet.kind" .. (n % 500) .. ".created"
  local total = "12.5"
  local subject = "order-4711"
  if keys > 0 then
    kind, subject = "bench.counted", "k" .. math.random(0, keys - 1)
  elseif n % 10 == 0 then
    kind = "bench.kind" .. math.random(0, rules - 1) .. ".created"
    if n % 100 == 0 then total = "1500.25" end
  end
  local id = string.format("%08x-%04x-4%03x-%08x%04x", math.random(0, 0x7fffffff),
    math.random(0, 0xffff), math.random(0, 0xfff), math.random(0, 0x7fffffff), math.random(0, 0xffff))
  return '{"specversion":"1.0","id":"' .. id .. '","source":"/bench/shop","type":"' .. kind ..
    '","subject":"' .. subject .. '","time":"2026-01-01T12:00:00Z","datacontenttype":"application/json",' ..
    '"data":{"order":"ord_1234567890","total":' .. total .. ',"country":"DE","customer":' ..
    '{"name":"Ada Lovelace","email":"ada@example.com"},"items":[{"sku":"X-1","n":2},' ..
    '{"sku":"Y-22","n":1}],"note":"please leave it with the neighbours"}}'
end
local one = { ["Content-Type"] = "application/cloudevents+json" }
local many = { ["Content-Type"] = "application/cloudevents-batch+json" }
function request()
  if batch == 1 then return wrk.format("POST", "/api/events", one, event()) end
  local parts = {}
  for i = 1, batch do parts[i] = event() end
  return wrk.format("POST", "/api/events", many, "[" .. table.concat(parts, ",") .. "]")
end
function response(status)
  if status ~= 202 then bad = (bad or 0) + 1 end
end
function done(summary, latency)
  local e = summary.errors
  io.write(string.format("RESULT %.1f %.3f %.3f %d\n", summary.requests / (summary.duration / 1e6),
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    e.connect + e.read + e.write + e.timeout + e.status))
end
