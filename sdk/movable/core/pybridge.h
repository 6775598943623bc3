/* SPDX-License-Identifier: MIT
 *
 * Calls from the core into Python: a driver's callbacks, target allocators, hooks.
 *
 * All of them need the GIL, which the entry of every call that may come here holds (vm_enter). Python
 * objects in struct vm are borrowed; the Python objects around the machine keep them alive.
 */
#ifndef MOVABLE_PYBRIDGE_H
#define MOVABLE_PYBRIDGE_H

#include "vm.h"

/* A mapping whose callbacks are Python functions. */
struct py_mapping {
	struct address_space as;
	void *isolate_page, *migratepage, *putback_page;
};

/* Python's get_new_page and put_new_page (put may be NULL). */
struct py_target {
	void *get, *put;
};

extern const struct address_space_operations py_mapping_ops;

int py_take_gil(void);
void py_release_gil(int state);

/* new_page_t and free_page_t over a struct py_target. */
struct page *py_new_page(struct vm *vm, struct page *page, unsigned long private, int **result);
void py_free_page(struct vm *vm, struct page *page, unsigned long private);

/* Asks the wait hook to let `page`'s lock go; false if there is no hook. */
bool py_wait_on_page(struct vm *vm, struct page *page);

/* Runs the out-of-memory notifiers; how many pages they freed. */
unsigned long py_out_of_memory(struct vm *vm);

/* Runs the greenlet of a CPU until somebody switches back. The caller looks at vm->dead (schedule.c). */
void py_switch(struct vm *vm, int cpu);

/* Appends to a Python list, for each recorded violation, what a hook raised or None; then the interrupt. */
void py_list_exceptions(struct vm *vm, void *list);

/* Forgets the recorded errors, with the objects they own. */
void py_drop_errors(struct vm *vm);

#endif
