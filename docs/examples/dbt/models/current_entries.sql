select *
from {{ source('directory', 'directory_resource_current') }}
