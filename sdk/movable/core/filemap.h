/* SPDX-License-Identifier: MIT
 *
 * Files: page cache, dirty pages, writeback, and what is stored. spec/migration.md 1.4, 2.1, 5.
 *
 * The store lies in memory of the emulator's own and costs no frames.
 */
#ifndef MOVABLE_FILEMAP_H
#define MOVABLE_FILEMAP_H

#include "rmap.h"
#include "shared_policy.h"

/* How the pages of a file are moved: its mapping's migratepage. */
enum migrate_method { MIGRATE_BY_FALLBACK, MIGRATE_BY_COPY, MIGRATE_WITH_BUFFERS };

/* What the filesystem keeps at a page: PG_private and page->private. */
struct buffer_head {
	struct page *page;
	int count;
	bool locked;
};

struct file {
	struct address_space as; /* what page->mapping points to */
	struct vm *vm;
	unsigned int id;
	int refs; /* the handle, and one per area */
	bool handle;
	bool shmem;   /* swapbacked: shared anonymous memory and tmpfs */
	bool buffers; /* pages carry buffers */
	enum migrate_method migrate_method;
	bool has_writepage;
	int writepage_error; /* what writepage answers, 0 or -errno */
	bool slow_device;    /* writeback lasts until somebody waits for it or ends it */
	unsigned long size;  /* bytes */
	struct radix pages;  /* struct page * */
	struct vm_lock tree_lock;
	unsigned long nr_pages;
	struct radix store; /* malloc'ed blocks of PAGE_SIZE */
	struct vm_lock i_mmap_lock;
	struct list_head i_mmap;
	struct shared_policy policy; /* shmem: of ranges of pages */
};

struct file_settings {
	void *owner;
	bool shmem, buffers, has_writepage, slow_device;
	enum migrate_method migrate_method;
	int writepage_error;
	unsigned long size;
};

extern const struct address_space_operations file_aops;

/* A new file with a handle. NULL if there is no memory. */
struct file *file_create(struct vm *vm, const struct file_settings *settings);

/* Shared anonymous memory: a file that lives as long as its areas. */
struct file *shmem_file_create(struct vm *vm, unsigned long size);

/* Drops a reference; the last one drops the pages and the file. */
void file_put(struct vm *vm, struct file *file);

void files_destroy_all(struct vm *vm);

/* The file that a page belongs to by page->mapping, or NULL. Not for anonymous or drivers' pages. */
static inline struct file *page_file(const struct page *page)
{
	struct address_space *mapping = page->mapping;

	return mapping && !mapping_bits(page) && mapping->a_ops == &file_aops ? (struct file *)mapping : NULL;
}

static inline bool page_has_private(const struct page *page)
{
	return page->flags & (1UL << PG_private | 1UL << PG_private_2);
}

/* The cached page with a reference, or NULL. */
struct page *find_get_page(struct vm *vm, struct file *file, unsigned long index);

/*
 * The cached page, read in if need be, locked, with a reference. `policy_of` (may be NULL) is whose policy a new
 * page follows. 0, -ENOMEM; -EFBIG beyond the end of the file.
 */
int filemap_get_page(struct vm *vm, struct file *file, unsigned long index, struct mm *policy_of,
		     struct page **page);

/* read(2), write(2): whole bytes through the cache. How many bytes, or -ENOMEM. */
long file_read(struct vm *vm, struct file *file, unsigned long offset, void *buffer, unsigned long length);
long file_write(struct vm *vm, struct file *file, unsigned long offset, const void *buffer, unsigned long length);

/* Copies what is stored, not what is cached. */
void file_stored(struct file *file, unsigned long offset, void *buffer, unsigned long length);

/* Dirty, counted where the mapping accounts for it. */
void set_page_dirty(struct vm *vm, struct page *page);

/* Page locked. Clean for I/O; whether it was dirty. */
bool clear_page_dirty_for_io(struct vm *vm, struct page *page);

/* Page locked, clean for I/O, not under writeback. Starts its writeback; 0 or what the file's writepage answers. */
int file_writepage(struct vm *vm, struct page *page);

void set_page_writeback(struct vm *vm, struct page *page);
void end_page_writeback(struct vm *vm, struct page *page);

/* Sleeps until writeback is over. The modelled device is as fast as one can wait. */
void wait_on_page_writeback(struct vm *vm, struct page *page);

/* Writes all dirty pages; the first error. */
int file_sync(struct vm *vm, struct file *file);

/* Ends all writeback that is going on. How many pages. */
long file_end_writeback(struct vm *vm, struct file *file);

/* Cuts the file, or lengthens it; pages beyond the end leave the cache and all page tables. */
void file_truncate(struct vm *vm, struct file *file, unsigned long size);

/* Drops clean pages that nobody maps or uses. How many. */
long file_invalidate(struct vm *vm, struct file *file);

/* Page locked, tree lock held. Off the tree and counters; the cache's reference stays with the caller. */
void __delete_from_page_cache(struct vm *vm, struct file *file, struct page *page);

/* Page locked. Frees the buffers, if none is in use. */
bool try_to_free_buffers(struct vm *vm, struct page *page);

/* Node counters of a cached page: its own, shmem, dirty. */
void mod_file_pages(struct vm *vm, const struct page *page, long delta);

#endif
