/* SPDX-License-Identifier: MIT */
#include "radix.h"

#include <stdlib.h>

static uint64_t *new_node(void)
{
	return calloc(RADIX_ENTRIES, sizeof(uint64_t));
}

/* Whether a tree of this height has a place for the index. */
static bool reaches(unsigned int height, unsigned long index)
{
	return height * RADIX_SHIFT >= 64 || !(index >> (height * RADIX_SHIFT));
}

/* Puts nodes on top until the index fits. */
static bool grow(struct radix *tree, unsigned long index)
{
	while (!tree->height || !reaches(tree->height, index)) {
		uint64_t *node = new_node();

		if (!node)
			return false;
		node[0] = (uint64_t)(uintptr_t)tree->root;
		tree->root = node;
		tree->height++;
	}
	return true;
}

uint64_t *radix_find(struct radix *tree, unsigned long index, bool create)
{
	uint64_t *node;

	if (!tree->height || !reaches(tree->height, index)) {
		if (!create || !grow(tree, index))
			return NULL;
	}
	node = tree->root;
	for (unsigned int level = tree->height - 1; level > 0; level--) {
		uint64_t *entry = &node[index >> (level * RADIX_SHIFT) & RADIX_MASK];

		if (!*entry && create)
			*entry = (uint64_t)(uintptr_t)new_node();
		if (!*entry)
			return NULL;
		node = (uint64_t *)(uintptr_t)*entry;
	}
	tree->leaf = node;
	tree->leaf_base = index >> RADIX_SHIFT;
	return node + (index & RADIX_MASK);
}

/* The first index after `index` whose leaf may exist, where the leaf of `index` does not. */
static unsigned long skip_hole(const struct radix *tree, unsigned long index)
{
	const uint64_t *node = tree->root;
	unsigned int level = tree->height - 1;

	for (; level > 0; level--) {
		uint64_t entry = node[index >> (level * RADIX_SHIFT) & RADIX_MASK];

		if (!entry)
			break;
		node = (const uint64_t *)(uintptr_t)entry;
	}
	return ((index >> (level * RADIX_SHIFT)) + 1) << (level * RADIX_SHIFT);
}

uint64_t *radix_next(struct radix *tree, unsigned long *index, unsigned long end)
{
	while (*index < end) {
		uint64_t *slot = radix_slot(tree, *index);

		if (!slot) {
			if (!tree->height || !reaches(tree->height, *index))
				return NULL;
			*index = skip_hole(tree, *index);
			continue;
		}
		do {
			if (*slot)
				return slot;
			slot++;
			++*index;
		} while (*index < end && (*index & RADIX_MASK));
	}
	return NULL;
}

static void free_node(uint64_t *node, unsigned int level)
{
	for (unsigned long i = 0; level > 0 && i < RADIX_ENTRIES; i++)
		if (node[i])
			free_node((uint64_t *)(uintptr_t)node[i], level - 1);
	free(node);
}

void radix_destroy(struct radix *tree)
{
	if (tree->height)
		free_node(tree->root, tree->height - 1);
	*tree = (struct radix){NULL, 0, 0, NULL};
}
