//! `xfs`: what XFS counts for each file system (/sys/fs/xfs/*/stats/stats; `fs/xfs/xfs_stats.c`). Off by default: few look at it.

use proto::metric::Desc;

use super::host::Host;
use super::kept::KeptFile;
use super::sysfs::Objects;
use super::text::{integer, lines, words};
use super::{Collector, Failed, Round};

const DEVICE: &[&str] = &["device"];

const fn counter(name: &'static str) -> Desc {
    Desc::counter(name, "As the file system's statistics have it.", DEVICE)
}

static EXTENT_ALLOCATION_EXTENTS_ALLOCATED: Desc = counter("node_xfs_extent_allocation_extents_allocated_total");
static EXTENT_ALLOCATION_BLOCKS_ALLOCATED: Desc = counter("node_xfs_extent_allocation_blocks_allocated_total");
static EXTENT_ALLOCATION_EXTENTS_FREED: Desc = counter("node_xfs_extent_allocation_extents_freed_total");
static EXTENT_ALLOCATION_BLOCKS_FREED: Desc = counter("node_xfs_extent_allocation_blocks_freed_total");
static ALLOCATION_BTREE_LOOKUPS: Desc = counter("node_xfs_allocation_btree_lookups_total");
static ALLOCATION_BTREE_COMPARES: Desc = counter("node_xfs_allocation_btree_compares_total");
static ALLOCATION_BTREE_RECORDS_INSERTED: Desc = counter("node_xfs_allocation_btree_records_inserted_total");
static ALLOCATION_BTREE_RECORDS_DELETED: Desc = counter("node_xfs_allocation_btree_records_deleted_total");
static BLOCK_MAPPING_READS: Desc = counter("node_xfs_block_mapping_reads_total");
static BLOCK_MAPPING_WRITES: Desc = counter("node_xfs_block_mapping_writes_total");
static BLOCK_MAPPING_UNMAPS: Desc = counter("node_xfs_block_mapping_unmaps_total");
static BLOCK_MAPPING_EXTENT_LIST_INSERTIONS: Desc = counter("node_xfs_block_mapping_extent_list_insertions_total");
static BLOCK_MAPPING_EXTENT_LIST_DELETIONS: Desc = counter("node_xfs_block_mapping_extent_list_deletions_total");
static BLOCK_MAPPING_EXTENT_LIST_LOOKUPS: Desc = counter("node_xfs_block_mapping_extent_list_lookups_total");
static BLOCK_MAPPING_EXTENT_LIST_COMPARES: Desc = counter("node_xfs_block_mapping_extent_list_compares_total");
static BLOCK_MAP_BTREE_LOOKUPS: Desc = counter("node_xfs_block_map_btree_lookups_total");
static BLOCK_MAP_BTREE_COMPARES: Desc = counter("node_xfs_block_map_btree_compares_total");
static BLOCK_MAP_BTREE_RECORDS_INSERTED: Desc = counter("node_xfs_block_map_btree_records_inserted_total");
static BLOCK_MAP_BTREE_RECORDS_DELETED: Desc = counter("node_xfs_block_map_btree_records_deleted_total");
static DIRECTORY_OPERATION_LOOKUP: Desc = counter("node_xfs_directory_operation_lookup_total");
static DIRECTORY_OPERATION_CREATE: Desc = counter("node_xfs_directory_operation_create_total");
static DIRECTORY_OPERATION_REMOVE: Desc = counter("node_xfs_directory_operation_remove_total");
static DIRECTORY_OPERATION_GETDENTS: Desc = counter("node_xfs_directory_operation_getdents_total");
static INODE_OPERATION_ATTEMPTS: Desc = counter("node_xfs_inode_operation_attempts_total");
static INODE_OPERATION_FOUND: Desc = counter("node_xfs_inode_operation_found_total");
static INODE_OPERATION_RECYCLED: Desc = counter("node_xfs_inode_operation_recycled_total");
static INODE_OPERATION_MISSED: Desc = counter("node_xfs_inode_operation_missed_total");
static INODE_OPERATION_DUPLICATES: Desc = counter("node_xfs_inode_operation_duplicates_total");
static INODE_OPERATION_RECLAIMS: Desc = counter("node_xfs_inode_operation_reclaims_total");
static INODE_OPERATION_ATTRIBUTE_CHANGES: Desc = counter("node_xfs_inode_operation_attribute_changes_total");
static WRITE_CALLS: Desc = counter("node_xfs_write_calls_total");
static READ_CALLS: Desc = counter("node_xfs_read_calls_total");
static VNODE_ACTIVE: Desc = counter("node_xfs_vnode_active_total");
static VNODE_ALLOCATE: Desc = counter("node_xfs_vnode_allocate_total");
static VNODE_GET: Desc = counter("node_xfs_vnode_get_total");
static VNODE_HOLD: Desc = counter("node_xfs_vnode_hold_total");
static VNODE_RELEASE: Desc = counter("node_xfs_vnode_release_total");
static VNODE_RECLAIM: Desc = counter("node_xfs_vnode_reclaim_total");
static VNODE_REMOVE: Desc = counter("node_xfs_vnode_remove_total");

pub(super) const FAMILIES: &[&Desc] = &[
    &EXTENT_ALLOCATION_EXTENTS_ALLOCATED,
    &EXTENT_ALLOCATION_BLOCKS_ALLOCATED,
    &EXTENT_ALLOCATION_EXTENTS_FREED,
    &EXTENT_ALLOCATION_BLOCKS_FREED,
    &ALLOCATION_BTREE_LOOKUPS,
    &ALLOCATION_BTREE_COMPARES,
    &ALLOCATION_BTREE_RECORDS_INSERTED,
    &ALLOCATION_BTREE_RECORDS_DELETED,
    &BLOCK_MAPPING_READS,
    &BLOCK_MAPPING_WRITES,
    &BLOCK_MAPPING_UNMAPS,
    &BLOCK_MAPPING_EXTENT_LIST_INSERTIONS,
    &BLOCK_MAPPING_EXTENT_LIST_DELETIONS,
    &BLOCK_MAPPING_EXTENT_LIST_LOOKUPS,
    &BLOCK_MAPPING_EXTENT_LIST_COMPARES,
    &BLOCK_MAP_BTREE_LOOKUPS,
    &BLOCK_MAP_BTREE_COMPARES,
    &BLOCK_MAP_BTREE_RECORDS_INSERTED,
    &BLOCK_MAP_BTREE_RECORDS_DELETED,
    &DIRECTORY_OPERATION_LOOKUP,
    &DIRECTORY_OPERATION_CREATE,
    &DIRECTORY_OPERATION_REMOVE,
    &DIRECTORY_OPERATION_GETDENTS,
    &INODE_OPERATION_ATTEMPTS,
    &INODE_OPERATION_FOUND,
    &INODE_OPERATION_RECYCLED,
    &INODE_OPERATION_MISSED,
    &INODE_OPERATION_DUPLICATES,
    &INODE_OPERATION_RECLAIMS,
    &INODE_OPERATION_ATTRIBUTE_CHANGES,
    &WRITE_CALLS,
    &READ_CALLS,
    &VNODE_ACTIVE,
    &VNODE_ALLOCATE,
    &VNODE_GET,
    &VNODE_HOLD,
    &VNODE_RELEASE,
    &VNODE_RECLAIM,
    &VNODE_REMOVE,
];

/// A line's first word, and what its first numbers are.
const LINES: [(&[u8], &[&Desc]); 8] = [
    (
        b"extent_alloc",
        &[
            &EXTENT_ALLOCATION_EXTENTS_ALLOCATED,
            &EXTENT_ALLOCATION_BLOCKS_ALLOCATED,
            &EXTENT_ALLOCATION_EXTENTS_FREED,
            &EXTENT_ALLOCATION_BLOCKS_FREED,
        ],
    ),
    (
        b"abt",
        &[
            &ALLOCATION_BTREE_LOOKUPS,
            &ALLOCATION_BTREE_COMPARES,
            &ALLOCATION_BTREE_RECORDS_INSERTED,
            &ALLOCATION_BTREE_RECORDS_DELETED,
        ],
    ),
    (
        b"blk_map",
        &[
            &BLOCK_MAPPING_READS,
            &BLOCK_MAPPING_WRITES,
            &BLOCK_MAPPING_UNMAPS,
            &BLOCK_MAPPING_EXTENT_LIST_INSERTIONS,
            &BLOCK_MAPPING_EXTENT_LIST_DELETIONS,
            &BLOCK_MAPPING_EXTENT_LIST_LOOKUPS,
            &BLOCK_MAPPING_EXTENT_LIST_COMPARES,
        ],
    ),
    (
        b"bmbt",
        &[
            &BLOCK_MAP_BTREE_LOOKUPS,
            &BLOCK_MAP_BTREE_COMPARES,
            &BLOCK_MAP_BTREE_RECORDS_INSERTED,
            &BLOCK_MAP_BTREE_RECORDS_DELETED,
        ],
    ),
    (
        b"dir",
        &[&DIRECTORY_OPERATION_LOOKUP, &DIRECTORY_OPERATION_CREATE, &DIRECTORY_OPERATION_REMOVE, &DIRECTORY_OPERATION_GETDENTS],
    ),
    (
        b"ig",
        &[
            &INODE_OPERATION_ATTEMPTS,
            &INODE_OPERATION_FOUND,
            &INODE_OPERATION_RECYCLED,
            &INODE_OPERATION_MISSED,
            &INODE_OPERATION_DUPLICATES,
            &INODE_OPERATION_RECLAIMS,
            &INODE_OPERATION_ATTRIBUTE_CHANGES,
        ],
    ),
    (b"rw", &[&WRITE_CALLS, &READ_CALLS]),
    (b"vnodes", &[&VNODE_ACTIVE, &VNODE_ALLOCATE, &VNODE_GET, &VNODE_HOLD, &VNODE_RELEASE, &VNODE_RECLAIM, &VNODE_REMOVE]),
];

pub(super) struct Xfs {
    objects: Objects,
    stats: Vec<(String, KeptFile)>,
}

impl Xfs {
    pub(super) fn new(host: &Host) -> Self {
        Self { objects: Objects::new(host.sys("fs/xfs"), ""), stats: Vec::new() }
    }
}

impl Collector for Xfs {
    fn collect(&mut self, round: &mut Round<'_>) -> Result<(), Failed> {
        let directory = self.objects.directory().to_owned();
        if let Some(names) = self.objects.look()? {
            let stats = |name: &String| (name.clone(), directory.join(name).join("stats/stats"));
            // Beside the file systems stand the sums of all of them.
            let stats = names.iter().filter(|name| *name != "stats").map(stats).filter(|(_, path)| path.is_file());
            self.stats = stats.map(|(name, path)| (name, KeptFile::new(path))).collect();
        }
        for (device, file) in &mut self.stats {
            // It may have been unmounted.
            let Ok(told) = file.read(round.buffer) else { continue };
            for line in lines(told) {
                let mut parts = words(line);
                let Some(key) = parts.next() else { continue };
                let Some((_, descs)) = LINES.iter().find(|(known, _)| *known == key) else { continue };
                for (desc, value) in descs.iter().zip(parts.map_while(integer)) {
                    round.out.sample(desc, &[device], value as f64);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::collector::testing::check;

    #[test]
    fn fixtures() {
        check("xfs", &["usual", "recorded", "damaged", "none", "absent"]);
    }
}
