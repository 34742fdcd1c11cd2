with changes as (
    select
        *,
        lag(kind) over (partition by id order by snapshot_at, sync_id) as kind_before
    from {{ source('directory', 'directory_resource_changes') }}
),

-- The first publication is the beginning of the record: nobody joined by it.
first_sync as (
    select min(snapshot_at) as began_at
    from {{ source('directory', 'directory_syncs') }}
    where resource = 'directory_resource'
)

select
    cast(date_trunc('month', snapshot_at at time zone 'UTC') as date) as month,
    -- An entry that was only missing for a while has not left.
    count(*) filter (where kind = 'added' or (kind = 'returned' and kind_before = 'removed')) as joined,
    count(*) filter (where kind = 'removed') as left_directory
from changes
cross join first_sync
where snapshot_at > began_at and kind in ('added', 'returned', 'removed')
group by 1
