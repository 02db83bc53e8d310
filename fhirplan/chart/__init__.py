"""What a page of the chart shows: values for the templates, made from stored resources."""
