//! The rules of access, one file for each family, over records that are really signed.

mod bounds;
mod explaining;
mod grants;
mod order;
mod rosters;
mod storing;
mod world;
