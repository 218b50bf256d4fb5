-- What must hold in any database at rest. Each query finds what breaks its sentence, and must find nothing.

-- name: a leased job has a lease, and only a leased job has one
select workspace_id, id, state from jobs where (state = 'leased') <> (lease_until is not null);

-- name: every claim raises the fence, so a job's fence is never below its attempts
select workspace_id, id, fence, attempt from jobs where fence < attempt;

-- name: a delivered letter was taken by its receiver once at least
select d.workspace_id, d.id from deliveries d
where d.state = 'delivered' and not exists (
    select from delivery_attempts a
    where a.workspace_id = d.workspace_id and a.delivery_id = d.id and a.status between 200 and 299);

-- name: a letter counts as many attempts as are kept
select d.workspace_id, d.id, d.attempts from deliveries d
where d.attempts <> (
    select count(*) from delivery_attempts a where a.workspace_id = d.workspace_id and a.delivery_id = d.id);

-- name: a pending letter has a job that will send it
select d.workspace_id, d.id from deliveries d
where d.state = 'pending' and not exists (
    select from jobs j
    where j.workspace_id = d.workspace_id and j.kind = 'delivery.send' and j.dedupe_key = d.id::text
        and j.state in ('ready', 'leased', 'held'));

-- name: a job to send a letter is done when the letter is settled, and not before
select j.workspace_id, j.id from jobs j
join deliveries d on d.workspace_id = j.workspace_id and d.id = (j.payload ->> 'delivery_id')::uuid
where j.kind = 'delivery.send' and j.state = 'done' and d.state = 'pending';

-- name: a definition that is being applied has a job that goes on with it
select r.workspace_id, r.id, r.state from reprocessings r
where r.state in ('waiting', 'running') and not exists (
    select from jobs j
    where j.workspace_id = r.workspace_id and j.kind = 'reprocessing.run' and j.dedupe_key = r.id::text
        and j.state in ('ready', 'leased', 'held'));

-- name: no job was given up
select workspace_id, id, kind, last_error from jobs where state = 'dead';

-- name: an alert belongs to an account and an indicator of its own workspace
select a.workspace_id, a.id from alerts a
where not exists (select from accounts x where x.workspace_id = a.workspace_id and x.id = a.account_id)
    or not exists (select from indicators x where x.workspace_id = a.workspace_id and x.id = a.indicator_id);

-- name: an event belongs to an account and a user of its own workspace
select e.workspace_id, e.id from events e
where (e.account_id is not null and not exists (
        select from accounts x where x.workspace_id = e.workspace_id and x.id = e.account_id))
    or (e.user_id is not null and not exists (
        select from users x where x.workspace_id = e.workspace_id and x.id = e.user_id));

-- name: an account's counter is the number of its events
select a.workspace_id, a.account_id, a.events from account_activity a
where a.events <> (
    select count(*) from events e
    where e.workspace_id = a.workspace_id and e.account_id = a.account_id and e.name not like '$message.%');

-- name: what is counted of a name at an account is the number of its events, in all and by day
select t.workspace_id, t.record_id, t.measure_id, t.count from measure_totals t
join measures m on m.workspace_id = t.workspace_id and m.id = t.measure_id and m.filter is null
join accounts a on a.workspace_id = t.workspace_id and a.id = t.record_id
where t.count <> (
        select count(*) from events e
        where e.workspace_id = t.workspace_id and e.account_id = t.record_id and e.name = m.name)
    or t.count <> (
        select sum(d.count) from measure_days d
        where d.workspace_id = t.workspace_id and d.record_id = t.record_id and d.measure_id = t.measure_id);

-- name: what is counted with a filter that every event fits is what is counted without one
select p.workspace_id, t.record_id, p.name, t.count, f.count from measures p
join measures q on q.workspace_id = p.workspace_id and q.name = p.name and q.filter ->> 'op' = 'isSet'
join measure_totals t on t.workspace_id = p.workspace_id and t.measure_id = p.id
left join measure_totals f on f.workspace_id = p.workspace_id and f.measure_id = q.id and f.record_id = t.record_id
where p.filter is null and q.filter ->> 'property' = 'serial' and t.count is distinct from f.count;

-- name: every event of an account is counted by its name
select e.workspace_id, e.account_id, e.name from events e
where e.account_id is not null and not exists (
    select from measures m
    join measure_totals t on t.workspace_id = m.workspace_id and t.measure_id = m.id
    where m.workspace_id = e.workspace_id and m.name = e.name and m.filter is null and t.record_id = e.account_id);

-- name: a user's sessions are the days that are kept
select u.workspace_id, u.user_id, u.sessions from user_activity u
where u.sessions <> (
    select count(*) from user_days d where d.workspace_id = u.workspace_id and d.user_id = u.user_id);

-- name: the days that are kept are the days of the user's events
(select workspace_id, user_id, day from user_days
 except
 select workspace_id, user_id, (occurred_at at time zone 'UTC')::date from events where user_id is not null)
union all
(select workspace_id, user_id, (occurred_at at time zone 'UTC')::date from events
 where user_id is not null and name not like '$message.%'
 except
 select workspace_id, user_id, day from user_days);

-- name: facts agree with what they are derived from, once nothing is marked
select f.workspace_id, f.account_id, f.events, v.events from account_facts f
join account_activity v on v.workspace_id = f.workspace_id and v.account_id = f.account_id
where f.events <> v.events and not exists (
    select from dirty_accounts d where d.workspace_id = f.workspace_id and d.account_id = f.account_id);

-- name: the owner shown is where the owner's history ends
select f.workspace_id, f.account_id from account_facts f
where f.owner_id is distinct from (
    select c.to_user_id from owner_changes c
    where c.workspace_id = f.workspace_id and c.account_id = f.account_id order by c.id desc limit 1);

-- name: history has no gaps: each change begins where the one before it ended
select workspace_id, account_id, id from (
    select workspace_id, account_id, id, from_user_id,
        lag(to_user_id) over (partition by workspace_id, account_id order by id) as before
    from owner_changes) c
where from_user_id is distinct from before;

-- name: the owner's copies are the owner's own
select f.workspace_id, f.account_id from account_facts f
join user_activity u on u.workspace_id = f.workspace_id and u.user_id = f.owner_id
where (f.owner_sessions, f.owner_last_seen_at) is distinct from (u.sessions, u.last_seen_at)
    and not exists (
        select from dirty_accounts d where d.workspace_id = f.workspace_id and d.account_id = f.account_id);
