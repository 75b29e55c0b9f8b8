"""What is done inside of Redis: one script per operation, by its clock alone.

Times are microseconds since a day in 2023, small enough that doubles keep a hundredth of one. Written with 17 digits,
since Lua would round to 14. Every key has an end of life.
"""

from __future__ import annotations

__all__ = ["BEAT", "GIVE", "RENEW", "TAKE"]

_NOW = """
local time = redis.call('TIME')
local now = (tonumber(time[1]) - 1700000000) * 1e6 + tonumber(time[2])
local MINUTE, SLACK, MOST_OWED = 60e6, 0.01, 24 * 60
local function exact(number) return string.format('%.17g', number) end
local function due_of(key) return math.max(tonumber(redis.call('GET', key) or '0'), now) end
local function keep(key, due)
  redis.call('SET', key, exact(due), 'PX', math.ceil((due - now) / 1000) + 1)
end
"""

TAKE = (
    _NOW
    + """
-- KEYS: counters; ARGV: id, lease in seconds, and for each counter: kind, limit, amount.
-- Answer: which refused (0: none), the wait, and for each counter: what remains, when it is whole; in microseconds.
local which, wait, dues = 0, 0, {}
local lease = tonumber(ARGV[2])
for i, key in ipairs(KEYS) do
  local kind, limit, amount = ARGV[3 * i], tonumber(ARGV[3 * i + 1]), tonumber(ARGV[3 * i + 2])
  local own, slack = 0, 0
  if kind == 'calls' then
    dues[i] = redis.call('ZCOUNT', key, exact(now), '+inf')
    if dues[i] >= limit then own = 1e6 end
  else
    local unit = MINUTE / limit
    dues[i] = due_of(key)
    own, slack = dues[i] + unit * amount - now - MINUTE, unit * SLACK
  end
  if own > slack and own > wait then which, wait = i, own end
end
local answer = {which, math.ceil(wait)}
for i, key in ipairs(KEYS) do
  local kind, limit, amount = ARGV[3 * i], tonumber(ARGV[3 * i + 1]), tonumber(ARGV[3 * i + 2])
  if kind == 'calls' then
    if which == 0 then
      redis.call('ZADD', key, exact(now + lease * 1e6), ARGV[1])
      redis.call('ZREMRANGEBYSCORE', key, '-inf', '(' .. exact(now))
      redis.call('EXPIRE', key, lease)
      dues[i] = dues[i] + 1
    end
    answer[2 * i + 1], answer[2 * i + 2] = math.max(limit - dues[i], 0), 0
  else
    if which == 0 then
      dues[i] = dues[i] + MINUTE / limit * amount
      keep(key, dues[i])
    end
    local reset = dues[i] - now
    answer[2 * i + 1] = math.max(math.floor((MINUTE - reset) * limit / MINUTE + SLACK), 0)
    answer[2 * i + 2] = math.ceil(reset)
  end
end
return answer
"""
)

GIVE = (
    _NOW
    + """
-- KEYS: counters; ARGV: id, and for each counter: kind, limit, change in tokens.
for i, key in ipairs(KEYS) do
  local kind, limit, change = ARGV[3 * i - 1], tonumber(ARGV[3 * i]), tonumber(ARGV[3 * i + 1])
  if kind == 'calls' then
    redis.call('ZREM', key, ARGV[1])
  else
    local due = due_of(key) + MINUTE / limit * change
    if due > now then keep(key, math.min(due, now + MINUTE * MOST_OWED)) else redis.call('DEL', key) end
  end
end
return 0
"""
)

RENEW = (
    _NOW
    + """
-- KEYS: counters of calls; ARGV: lease in seconds, and for each counter: the id that holds a slot of it.
local lease = tonumber(ARGV[1])
for i, key in ipairs(KEYS) do
  redis.call('ZADD', key, exact(now + lease * 1e6), ARGV[i + 1])
  redis.call('EXPIRE', key, lease)
end
return 0
"""
)

BEAT = (
    _NOW
    + """
-- KEYS: the replicas; ARGV: id, lease in seconds. Answer: how many there are.
local lease = tonumber(ARGV[2])
redis.call('ZADD', KEYS[1], exact(now + lease * 1e6), ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. exact(now))
redis.call('EXPIRE', KEYS[1], lease)
return redis.call('ZCARD', KEYS[1])
"""
)
